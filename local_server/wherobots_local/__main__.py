"""The command ``wherobots-local``, and ``python -m wherobots_local``."""

import sys

from wherobots_local.cli import main

if __name__ == "__main__":
    sys.exit(main())
