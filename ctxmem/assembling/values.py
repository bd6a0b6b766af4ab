"""Values of tools and of units of the history, on the scale of the value model.

The unit is an expected token of evidence: text that the answer uses. A passage has density times
tokens; a tool has the probability that it is called times what a call counts.
"""

from __future__ import annotations

CALL = 60.0
"""Value of a tool that is called."""
SHORT = 0.95
"""Share of it that a schema with shortened descriptions keeps."""
DEFERRED = 0.6
"""Share that a line keeps: the model finds the tool, with one more call."""

RECENT = 40.0
"""Value of the newest unit of a history for being the newest."""
HALF_LIFE = 3.0
"""Units after which that is half."""
INDEXED = 0.08
"""Share of its value that a unit keeps as a line of the index."""
BINDS = 8.0
"""Value of a statement that binds, times its strength (1 to 9)."""
MENTIONS = 1.0
"""The same for values, facts and the like, which the words of a question find."""
BINDING_SHARE = 0.3
"""Share of the budget up to which statements that bind have this value."""


def shortened(tokens: int, full: int) -> float:
    """Return the share of its value that a text keeps if it is cut to so many tokens."""
    return float(min(1.0, tokens / max(1, full)) ** 0.5)


def recency(age: float) -> float:
    """Return the value of a unit for its age, in units behind it."""
    return float(RECENT * 0.5 ** (age / HALF_LIFE))
