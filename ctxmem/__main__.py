"""`python -m ctxmem` and the program `ctxmem` are the command line."""

import sys


def run() -> int:
    """Run the command line; an interrupt while it is imported ends it as one later does."""
    try:
        from ctxmem.cli import main

        return main()
    except KeyboardInterrupt:
        print("ctxmem: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
