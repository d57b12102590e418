"""How long each task instance was in the state ``running``, which is how long it held a worker's slot."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from types import TracebackType
from typing import Self

from sqlalchemy import create_engine, text

POLL_SECONDS = 0.02
RUNNING = text("SELECT dag_id, run_id FROM task_instance WHERE state = 'running'")


class RunningTimes:
    """Reads the task instances from an Airflow's database, again and again, until the end of the block.

    Airflow itself does not report this: the duration of a deferred task includes the time it was deferred.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="states", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def of(self, dag_id: str, dag_run: str) -> float:
        """Seconds that the task of a DAG run was in the state ``running``."""
        if self._failure is not None:
            raise RuntimeError("the states were not watched to the end") from self._failure
        return self._seconds[dag_id, dag_run]

    def _watch(self) -> None:
        try:
            engine = create_engine(self._database, isolation_level="AUTOCOMMIT")
            with engine.connect() as one:
                seen: set[tuple[str, str]] = set()
                before = time.monotonic()
                while not self._stop.wait(POLL_SECONDS):
                    now_running = {(dag_id, run_id) for dag_id, run_id in one.execute(RUNNING)}
                    moment = time.monotonic()
                    # A change between two reads counts as in the middle between them.
                    for task in now_running | seen:
                        share = 1.0 if task in now_running and task in seen else 0.5
                        self._seconds[task] += share * (moment - before)
                    seen, before = now_running, moment
            engine.dispose()
        except Exception as error:
            self._failure = error
