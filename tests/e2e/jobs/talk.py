"""Says numbered lines, then ends with the code it is given."""

import sys

count, code = int(sys.argv[1] or 0), int(sys.argv[2])
for number in range(count):
    print(f"line {number:05d} of the run", flush=True)
if code:
    raise SystemExit(f"ValueError: the job ends with code {code} on purpose")
