"""What a triggerer and a worker import, and where: an import in the event loop holds up everybody's triggers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HTTP_OF_WORKER = "airflow_provider_wherobots.api.transports.requests"

LOADED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps([name in sys.modules for name in sys.argv[2:]]))
"""

LOADED_BEFORE_A_RUN_IS_NAMED = """
import json, sys
from airflow_provider_wherobots.operators.worker_attempt import WorkerAttempt

class Hook:
    @property
    def settings(self):
        print(json.dumps([sys.argv[2] in sys.modules, attempt._run_id, attempt._suffix_in_flight]))
        sys.exit()

attempt = WorkerAttempt(Hook(), cancel_on_kill=True)
if sys.argv[1] == "adopt":
    attempt.adopt("run0")
else:
    rest = dict.fromkeys(("look_first", "replace", "max_outage", "quota"))
    attempt.submit({"name": "a-1234567890ab"}, None, durable=True, **rest)
"""

IN_WHICH_THREAD = """
import asyncio, json, sys, threading
from airflow_provider_wherobots.hooks import wherobots

class Finder:
    found = {}
    def find_spec(self, name, path=None, target=None):
        self.found[name] = threading.current_thread() is threading.main_thread()

sys.modules.pop("aiohttp", None)
sys.meta_path.insert(0, Finder())
asyncio.run(wherobots._import_for_event_loop())
print(json.dumps([Finder.found["aiohttp"], all(name in sys.modules for name in wherobots.FOR_EVENT_LOOP)]))
"""


def run(tmp_path: Path, code: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_triggerer_does_not_import_the_http_of_the_worker(tmp_path: Path) -> None:
    assert run(tmp_path, LOADED, "airflow_provider_wherobots.triggers.run", HTTP_OF_WORKER) == [False]


def test_a_dag_file_does_not_import_the_http_of_the_worker(tmp_path: Path) -> None:
    assert run(tmp_path, LOADED, "airflow_provider_wherobots.operators.run", HTTP_OF_WORKER) == [False]


@pytest.mark.parametrize("method", ["adopt", "submit"])
def test_a_kill_on_a_worker_imports_nothing(method: str, tmp_path: Path) -> None:
    """All is imported before there is something to cancel."""
    assert run(tmp_path, LOADED_BEFORE_A_RUN_IS_NAMED, method, HTTP_OF_WORKER) == [True, None, None]


def test_the_http_of_the_triggerer_is_imported_beside_its_event_loop(tmp_path: Path) -> None:
    assert run(tmp_path, IN_WHICH_THREAD) == [False, True]
