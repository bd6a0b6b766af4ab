"""What `low_water` of ctxmem 0.1 is to a `ctxmem.Memory`."""

from __future__ import annotations

from typing import Any

from ctxmem.chat import trim_messages
from ctxmem.errors import warn_deprecated


def policy_of(low_water: Any, owner: str) -> str:
    """Return the policy that a low_water comes to, with a warning that names it.

    Raises `InputError` or `InputTypeError` for what is no share.
    """
    trim_messages([], 1, low_water=low_water)
    policy = "slide" if low_water is None else "batch"
    warn_deprecated(f"{owner}(low_water={low_water})", f"policy={policy!r}")
    return policy
