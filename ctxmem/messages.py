"""The name that `ctxmem.chat` had in 0.1."""

from __future__ import annotations

import warnings

from ctxmem.chat import *  # noqa: F403
from ctxmem.chat import __all__  # noqa: F401

warnings.warn(
    "ctxmem.messages is now ctxmem.chat; the old name goes with 0.3",
    DeprecationWarning,
    stacklevel=2,
)
