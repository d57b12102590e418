"""Says numbered lines, then ends with the code it is given, once a file is there if one is given."""

import sys
import time
from pathlib import Path

count, code = int(sys.argv[1] or 0), int(sys.argv[2])
for number in range(count):
    print(f"line {number:05d} of the run", flush=True)
end = time.monotonic() + 600
while len(sys.argv) > 3 and not Path(sys.argv[3]).exists() and time.monotonic() < end:
    time.sleep(0.2)
if code:
    raise SystemExit(f"ValueError: the job ends with code {code} on purpose")
