"""Run scenarios of a driver: `python -m client_drivers DRIVER URL SCENARIO=KEY ...`."""

from __future__ import annotations

import json
import sys

from client_drivers.registry import run

if __name__ == "__main__":
    driver, url, *pairs = sys.argv[1:]
    print(json.dumps(run(driver, url, dict(pair.split("=") for pair in pairs))))
