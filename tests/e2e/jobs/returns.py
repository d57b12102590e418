"""Prints a result near the largest size, and then runs until the given file is there."""

import json
import sys
import time
from pathlib import Path

print("airflow-result:", json.dumps({"rows": 3, "text": "xü" * 20_000}, ensure_ascii=False), flush=True)
end = time.monotonic() + 600
while not Path(sys.argv[1]).exists() and time.monotonic() < end:
    time.sleep(0.2)
print("the run is done", flush=True)
