"""The right context, not too much."""

__version__ = "0.1.0"
