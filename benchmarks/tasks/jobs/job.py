"""A job: prints so many lines, is quiet for so many seconds, and says that it ends."""

import sys
import time

seconds, lines = int(sys.argv[1]), int(sys.argv[2])
for number in range(lines - 1):
    print(f"INFO bench line {number};")
sys.stdout.flush()
time.sleep(seconds)
print(f"INFO bench line {lines - 1};")
