"""Logs in S3, each component with its own disk, and the triggerers' disks deleted while runs are followed."""

import shutil
import time

import pytest

from tests.at_size.batch import Batch, check_logs, log_lines
from tests.at_size.ledger import Ledger, balance
from tests.at_size.size import Size
from tests.at_size.stack import COUNTS, Stack

pytestmark = pytest.mark.timeout(0)

OWN_DISKS = True
MOST = 50
"""The most runs, because each log is read."""


def test_the_merged_log_is_whole_though_every_triggerer_lost_its_disk(stack: Stack, size: Size) -> None:
    count = min(size.runs, MOST)
    batch = Batch(stack, "once", "remote", [size.seconds] * count, gated=True)
    batch.begin()
    batch.wait_until_deferred(size.patience)
    batch.open_gate()
    time.sleep(size.seconds / 3)
    for n in range(1, COUNTS["triggerer"] + 1):
        disk = stack.logs_of("triggerer", n)
        files = sum(1 for _ in disk.rglob("*.trigger.*.log"))
        stack.report(f"  kill -9 triggerer {n}, and its disk with {files} logs is gone")
        assert files
        stack.airflow.kill_component("triggerer", n=n)
        shutil.rmtree(disk)
        stack.airflow.start_component("triggerer", n)
    batch.wait_until_ended(size.patience + size.seconds)

    assert batch.states() == {"success at try 1": count}
    assert balance(batch.tasks, stack.runs()) == Ledger(count)
    stack.result("logs that came whole", check_logs([batch], count, size.seed))
    logs = [log_lines(batch, one) for one in batch.instances()]
    for log in logs:
        # The lines of the worker, from its own disks, are there too; and the trigger was moved at most twice.
        counts = {text: sum(text in line for line in log) for text in ("Deferred. Polling run", "Following run")}
        assert counts["Deferred. Polling run"] == 1, "\n".join(log)
        assert 1 <= counts["Following run"] <= 1 + COUNTS["triggerer"], "\n".join(log)
        assert any("Pushing xcom" in line for line in log), "\n".join(log)
    # A busy Airflow 3.3.1 may close a trigger's log before it has read the trigger's last lines, and then writes them
    # into the triggerer's own output.
    missing = sum(not any(" COMPLETED: " in line for line in log) for log in logs)
    stack.result("logs without the trigger's closing line", missing)
