"""One try of ``@task.wherobots``: the function is uploaded as a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.decorators.script import script_name, script_of
from airflow_provider_wherobots.flows.quota import QuotaWait
from airflow_provider_wherobots.flows.submit import Submission
from airflow_provider_wherobots.operators.submit_try import SubmitTry
from airflow_provider_wherobots.operators.wherobots_task import naming

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.operators.creates_run import CreatesRun
    from airflow_provider_wherobots.operators.worker_attempt import WorkerAttempt


class FunctionTry(SubmitTry):
    """One try of a task whose run calls a function.

    ``run_python`` makes the task's argument of that name of the path of the function's script.
    """

    def __init__(
        self,
        task: CreatesRun,
        context: Context,
        attempt: WorkerAttempt,
        function: Callable[..., Any],
        run_python: Callable[[str], dict[str, Any]],
    ) -> None:
        super().__init__(task, context, attempt)
        self._function = function
        self._run_python = run_python

    def _get_run(self, quota: QuotaWait, **looking: bool) -> Submission:
        with naming(self.task.task_id):
            script = script_of(self._function)
        with TemporaryDirectory(prefix="airflow-wherobots-") as folder:
            path = Path(folder, script_name(self._function))
            path.write_text(script, encoding="utf-8")
            self.task.run_python = self._run_python(str(path))
            return super()._get_run(quota, **looking)
