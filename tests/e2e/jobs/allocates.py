"""Allocates the mebibytes that it is given."""

import sys

print(f"{len(bytearray(int(sys.argv[1]) << 20))} bytes", flush=True)
