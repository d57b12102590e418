"""Says that it has started, runs for the given seconds, says that it is done."""

import sys
import time

print("the run has started", flush=True)
end = time.monotonic() + float(sys.argv[1] or 600)
while time.monotonic() < end:
    time.sleep(0.2)
print("the run is done", flush=True)
