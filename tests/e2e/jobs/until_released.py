"""Says that it has started, runs until the given file is there, says that it is done."""

import sys
import time
from pathlib import Path

print("the run has started", flush=True)
end = time.monotonic() + 600
while not Path(sys.argv[1]).exists() and time.monotonic() < end:
    time.sleep(0.2)
print("the run is done", flush=True)
