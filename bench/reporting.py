"""How the benchmarks print what they measured, and on which versions."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import ctxmem
from ctxmem import _native


def print_report(report: Any, show: Callable[[Any], None], *, as_json: bool) -> None:
    """Print a report as JSON, or by `show` for a person."""
    if as_json:
        print_json(report)
    else:
        show(report)


def print_json(report: Any) -> None:
    """Print a report as indented JSON."""
    json.dump(report, sys.stdout, indent=2)
    print()


def versions(*packages: str, missing: str | None = None) -> dict[str, str]:
    """Return the versions of ctxmem, Python and packages, and the CPU level of the kernels.

    A package that is not installed has the version `missing`; None leaves it out.
    """
    found = {"ctxmem": ctxmem.__version__, "python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            if missing is not None:
                found[name] = missing
    return {**found, "cpu_level": _native.cpu_level()}
