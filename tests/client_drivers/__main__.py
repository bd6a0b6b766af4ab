"""Run one scenario of one driver: `python -m client_drivers DRIVER SCENARIO URL KEY`."""

from __future__ import annotations

import json
import sys

from client_drivers.registry import run

if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:])))
