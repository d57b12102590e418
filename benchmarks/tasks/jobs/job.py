"""A job: prints all but one of its lines, sleeps, and prints the last one. Arguments: seconds, and number of lines."""

import sys
import time

seconds, lines = int(sys.argv[1]), int(sys.argv[2])
for number in range(lines - 1):
    print(f"INFO bench line {number};")
sys.stdout.flush()
time.sleep(seconds)
print(f"INFO bench line {lines - 1};")
