"""One try of ``@task.wherobots``: the function is uploaded as a script."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.decorators.arguments import encode_arguments
from airflow_provider_wherobots.decorators.script import script_name, script_of
from airflow_provider_wherobots.flows.quota import QuotaWait
from airflow_provider_wherobots.flows.submit import Submission
from airflow_provider_wherobots.operators.arguments import naming
from airflow_provider_wherobots.operators.submit_try import SubmitTry

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.decorators.wherobots import WherobotsDecoratedOperator


class FunctionTry(SubmitTry["WherobotsDecoratedOperator"]):
    """One try of a ``WherobotsDecoratedOperator``."""

    def _get_run(self, quota: QuotaWait, **looking: bool) -> Submission:
        function = self.task.python_callable
        with naming(self.task.task_id):
            script = script_of(function)
        with TemporaryDirectory(prefix="airflow-wherobots-") as folder:
            path = Path(folder, script_name(function))
            path.write_text(script, encoding="utf-8")
            self.task.run_python = run_python_of(self.task, str(path), self.context)
            return super()._get_run(quota, **looking)


def run_python_of(task: WherobotsDecoratedOperator, uri: str, context: Context) -> dict[str, Any]:
    """The ``run_python`` of a script that calls the function with a task's arguments.

    :param task: the task.
    :param uri: the script.
    :param context: the task's context.
    :raises WherobotsArgumentException: if an argument is not JSON.
    """
    with naming(task.task_id):
        return {"uri": uri, "args": [encode_arguments(task.python_callable, task.op_args, task.op_kwargs, context)]}
