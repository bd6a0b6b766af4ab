"""A server in place of OpenAI and Anthropic, which refuses what they would refuse.

`server.Upstream` starts it in a thread, `python -m tests.upstream` from the command line. It
validates every request (`messages_rules` and `openai_rules`, on top of the types that the providers
publish with their SDKs), keeps it byte for byte, answers by a script (`script`), and simulates the
provider's prompt cache for the usage that it reports (`usage`).
"""
