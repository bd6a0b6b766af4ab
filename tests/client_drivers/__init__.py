"""Python clients that run the scenarios of `tests/test_gateway_clients.py`.

Every driver is a class that is made with an address and a key; its methods are scenarios, and each
returns what the client got as JSON values. `python -m client_drivers` runs them
in an interpreter with other versions of the packages.
"""
