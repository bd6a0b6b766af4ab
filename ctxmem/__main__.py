"""`python -m ctxmem` is the command line."""

import sys

from ctxmem.cli import main

if __name__ == "__main__":
    sys.exit(main())
