"""The tool `recall` for clients of the gateway: offered to the model, answered in the gateway."""
