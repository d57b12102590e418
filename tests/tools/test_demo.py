"""``make demo`` itself: what it prints, its exit codes, and that it leaves no process behind."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import TREE
from tests.support.processes import end_marked, marked
from tests.support.waiting import wait_for


class Demo:
    """The demo as a process whose output can be looked at while it runs."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.output = folder.with_suffix(".out")
        self.marks = [f"airflow:{folder / 'airflow'}", f"demo:{folder}"]
        with self.output.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dev.demo", "--folder", str(folder), *arguments],
                cwd=TREE,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_to_say(self, words: str, timeout: float) -> None:
        def poll() -> bool:
            assert self.process.poll() is None or words in self.text, self.text
            return words in self.text

        wait_for(poll, timeout=timeout, interval=0.1, what=f"the demo to say {words!r}", detail=lambda: self.text)

    def processes(self) -> list[int]:
        return [process.pid for mark in self.marks for process in marked(mark)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "demo"
    yield folder
    for mark in (f"airflow:{folder / 'airflow'}", f"demo:{folder}"):
        end_marked(mark, grace=0)


def test_the_demo_shows_log_and_result_and_stays_until_ctrl_c(folder: Path) -> None:
    demo = Demo(folder, "--keep")
    demo.wait_to_say("Press Ctrl-C to stop", timeout=240)
    assert len(demo.processes()) > 4, "Airflow's components and the local server"

    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(timeout=60) == 0, demo.text
    assert demo.processes() == []
    for words in (
        "as Airflow serves it",
        "airports loaded",
        "Wrote 15 features",
        "15 features in",
        "Task busiest_airports is success",
        "SELECT iata, name, neighbours",
        "The run succeeded.",
    ):
        assert words in demo.text
    (result,) = (folder / "storage" / "wherobots-demo" / "results").glob("*.geojson")
    assert len(json.loads(result.read_text())["features"]) == 15


@pytest.mark.parametrize(
    ("moment", "sig"), [("preparing the database", signal.SIGTERM), ("Triggered example_wherobots_demo", signal.SIGINT)]
)
def test_an_interrupted_demo_leaves_no_process(folder: Path, moment: str, sig: signal.Signals) -> None:
    demo = Demo(folder)
    demo.wait_to_say(moment, timeout=120)

    demo.process.send_signal(sig)

    assert demo.process.wait(timeout=60) == 130, demo.text
    assert demo.processes() == []
    assert demo.text.rstrip().endswith("Interrupted.")


def test_a_job_that_fails_makes_the_demo_fail(folder: Path) -> None:
    demo = Demo(folder)
    wait_for(lambda: "The local server listens" in demo.text, interval=0.1, what="the server to be up")
    bucket = folder / "storage" / "wherobots-demo"
    bucket.mkdir(parents=True, exist_ok=True)
    (bucket / "results").write_text("a file, where the job wants a folder")

    assert demo.process.wait(timeout=240) == 1, demo.text
    assert re.search(r"(FileExistsError|NotADirectoryError): .*wherobots-demo/results", demo.text)
    assert "The run failed." in demo.text
    assert demo.processes() == []
