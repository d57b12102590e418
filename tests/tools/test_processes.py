"""What a process family promises: nothing of it survives its owner, however either of them ends."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.places import TREE
from tests.support.processes import ProcessFamily, end_marked, is_alive, marked, tree, uninterrupted
from tests.support.waiting import wait_for

# A parent that ignores SIGTERM, with a child that left its session and overwrote its title.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import time; from setproctitle import setproctitle; setproctitle('x' * 4000); print('up', flush=True); "
child += "time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
time.sleep(600)
"""

OWNER = """
import os, sys, time
from pathlib import Path
from tests.support.processes import ProcessFamily
mark, output = sys.argv[1], Path(sys.argv[2])
family = ProcessFamily(mark)
try:
    for _ in range(2):
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        family.spawn(command, env=os.environ, cwd=Path.cwd(), output=output)
    print("up", flush=True)
    time.sleep(600)
finally:
    family.stop(grace=1)
"""


@pytest.fixture
def mark() -> Iterator[str]:
    mark = f"test:{uuid.uuid4()}"
    yield mark
    end_marked(mark, grace=0)


def test_stop_ends_processes_that_ignore_sigterm_and_left_their_session(mark: str, tmp_path: Path) -> None:
    family = ProcessFamily(mark)
    output = tmp_path / "out.log"
    process = family.spawn([sys.executable, "-c", STUBBORN], env=os.environ, cwd=tmp_path, output=output)
    wait_for(lambda: "up" in output.read_text(), what="the grandchild to run")
    members = {member.pid for member in family.members()}
    assert len(members) == 2
    assert next(member.pid for member in tree(process.pid)) == process.pid

    family.stop(grace=0.5)

    assert family.members() == []
    assert not any(is_alive(pid) for pid in members)


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGHUP])
def test_nothing_survives_its_owner(mark: str, tmp_path: Path, sig: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, mark, str(tmp_path / "out.log")],
        cwd=TREE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Tests that were started by nohup ignore SIGHUP, and so would what they start.
        preexec_fn=partial(signal.signal, sig, signal.SIG_DFL) if sig != signal.SIGKILL else None,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        wait_for(lambda: len(marked(mark)) == 2, what="the processes to show their mark")

        owner.send_signal(sig)
        owner.wait(timeout=30)

    wait_for(lambda: not marked(mark), what="the family to end")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_clean_up_comes_after_it(sig: signal.Signals) -> None:
    done: list[str] = []

    def clean_up() -> None:
        with uninterrupted():
            signal.raise_signal(sig)
            done.append("cleaned up")

    before = signal.signal(sig, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            clean_up()
    finally:
        signal.signal(sig, before)
    assert done == ["cleaned up"]
