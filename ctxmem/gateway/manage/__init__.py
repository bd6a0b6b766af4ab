"""The mode `manage`: conversations as windows of a memory, with an account for each."""
