"""Marks of a managed window where the model has no tool that reads what left it."""

from __future__ import annotations

import re
from typing import Any

_MARK = re.compile(
    r"(\[(?:p\d+[^\[\]\n]{0,80}|\d+ lines as in [^\[\]\n]{0,80})); recall reads it\]"
)
_INDEX = re.compile(r"( are stored(?:, as are [^;\n]{0,40})?); recall reads a page\.")


def without_offer(message: Any) -> Any:
    """Return a message of a window whose marks do not name the tool `recall`.

    Only marks that `Memory` writes are looked for; a message without any is returned as it is.

    >>> without_offer({"role": "user", "content": "[p9: 379 tokens, stored; recall reads it] A7"})
    {'role': 'user', 'content': '[p9: 379 tokens, stored] A7'}
    """
    if isinstance(message, str):
        made = _MARK.sub(r"\1]", message)
        made = _INDEX.sub(r"\1.", made)
        return message if made == message else made
    if isinstance(message, dict):
        changed = {name: without_offer(value) for name, value in message.items()}
        same = all(changed[name] is value for name, value in message.items())
        return message if same else changed
    if isinstance(message, list):
        items = [without_offer(one) for one in message]
        return message if all(map(lambda a, b: a is b, items, message)) else items
    return message
