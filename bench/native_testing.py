"""The native functions that only tests and benchmarks call."""

from __future__ import annotations

from ctxmem.errors import MissingExtraError

try:
    from ctxmem import _testing as native
except ImportError as error:
    raise MissingExtraError(
        "this benchmark calls native functions that no wheel has; run it from a checkout that is "
        "installed with `pip install -e .`"
    ) from error

__all__ = ["native"]
