"""``@task.wherobots``: a Python function of the DAG file that runs on Wherobots Cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, overload

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.compat import get_parsing_context
from airflow_provider_wherobots.decorators.base import (
    KNOWN_CONTEXT_KEYS,
    DecoratedOperator,
    FParams,
    FReturn,
    Task,
    task_decorator_factory,
)
from airflow_provider_wherobots.decorators.script import (
    check_arguments,
    check_call,
    check_function,
    encode_arguments,
    script_name,
    script_of,
    warn_of_outside_names,
)
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.tasks.wherobots_task import argument_errors, is_unrendered

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context

_NOT_HERE = ("run_python", "run_jar", "return_result")
"""Arguments of the run operator that the function replaces."""


class WherobotsDecoratedOperator(DecoratedOperator, WherobotsRunOperator):
    """The operator behind ``@task.wherobots``: runs a function as a script, and returns what the function returns.

    :param python_callable: the function.
    :param dependencies: what goes into ``environment["dependencies"]``; default None.
    :param environment: see the run operator; default None.
    :param wait_for_completion: whether to wait for the run's end; default True. False returns the run's id.
    :param kwargs: the arguments of the run operator, but for ``run_python``, ``run_jar`` and ``return_result``, and
        those of Airflow's decorators: ``op_args``, ``op_kwargs``, ``multiple_outputs``.
    :raises WherobotsArgumentException: names the task, the argument and the rule.
    """

    custom_operator_name = "@task.wherobots"
    template_fields: Sequence[str] = (
        "op_args",
        "op_kwargs",
        *(field for field in WherobotsRunOperator.template_fields if field not in _NOT_HERE),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "op_args": "py",
        "op_kwargs": "py",
        **{
            field: kind
            for field, kind in WherobotsRunOperator.template_fields_renderers.items()
            if field not in _NOT_HERE
        },
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        task_id: str,
        dependencies: Sequence[str | Mapping[str, Any]] | None = None,
        environment: Mapping[str, Any] | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        with argument_errors(task_id):
            check_function(python_callable)
            for argument in _NOT_HERE:
                if argument in kwargs:
                    raise InvalidArgumentError(f"{argument}: must not be given; {self.custom_operator_name} sets it")
            environment = _with_dependencies(environment, dependencies)
            # Of a mapped task Airflow gives only some arguments then.
            if not kwargs.get("_airflow_mapped_validation_only"):
                op_args, op_kwargs = kwargs.get("op_args") or (), kwargs.get("op_kwargs") or {}
                check_call(python_callable, op_args, op_kwargs, KNOWN_CONTEXT_KEYS)
        self.without_result = f"the value that {python_callable.__name__}() returned is not in its log"
        if not wait_for_completion:
            # The task returns the run's id.
            kwargs["multiple_outputs"] = False
        super().__init__(
            python_callable=python_callable,
            task_id=task_id,
            run_python={"uri": script_name(python_callable)},
            environment=environment,
            wait_for_completion=wait_for_completion,
            return_result=wait_for_completion,
            **kwargs,
        )
        # A task's process parses the whole file, and logs warnings in the task log.
        if get_parsing_context().task_id in (None, self.task_id):
            warn_of_outside_names(python_callable)
        # The arguments of a mapped task are known once it runs.
        if not getattr(self, "_BaseOperator__from_mapped", False):
            with argument_errors(self.task_id):
                check_arguments(python_callable, self.op_args, self.op_kwargs, KNOWN_CONTEXT_KEYS, is_unrendered)

    def execute(self, context: Context) -> Any:
        """Run the function.

        :param context: the task's context.
        :returns: what the function returns, or the run's id with ``wait_for_completion=False``.
        """
        # Not DecoratedOperator.execute. It searches arguments and results for assets, and JSON contains none. On 3.0 it
        # needs a method that operators do not have.
        return WherobotsRunOperator.execute(self, context)

    @contextmanager
    def script_of_this_try(self, context: Context) -> Iterator[None]:
        """The time in which the function's script is a file on this worker, so that it can be uploaded."""
        with argument_errors(self.task_id):
            script = script_of(self.python_callable)
            arguments = encode_arguments(self.python_callable, self.op_args, self.op_kwargs, context)
        with TemporaryDirectory(prefix="airflow-wherobots-") as folder:
            path = Path(folder, script_name(self.python_callable))
            path.write_text(script, encoding="utf-8")
            self.run_python = {"uri": str(path), "args": [arguments]}
            yield


@overload
def wherobots_task(python_callable: Callable[FParams, FReturn]) -> Task[FParams, FReturn]: ...
@overload
def wherobots_task(
    python_callable: None = None,
    multiple_outputs: bool | None = None,
    *,
    dependencies: Sequence[str | Mapping[str, Any]] | None = None,
    name: str | None = None,
    runtime: str | Enum | None = None,
    runtime_on_out_of_memory: str | Enum | Sequence[str | Enum] | None = None,
    region: str | Enum | None = None,
    version: str | Enum | None = None,
    environment: Mapping[str, Any] | None = None,
    timeout_seconds: int | str | timedelta | None = None,
    wherobots_conn_id: str = ...,
    poll_logs: bool = True,
    polling_interval: float | None = None,
    wait_post_run_logs_timeout_seconds: float | None = None,
    deferrable: bool | None = None,
    durable: bool = True,
    cancel_on_kill: bool = True,
    wait_for_completion: bool = True,
    max_outage_seconds: float | None = None,
    max_quota_wait_seconds: float | None = None,
    max_pending_seconds: float | None = None,
    retry_cancelled: bool = False,
    reuse_completed: bool = True,
    openlineage_inject_parent_job_info: bool | None = None,
    upload_to: str | None = None,
    **kwargs: Any,
) -> Callable[[Callable[FParams, FReturn]], Task[FParams, FReturn]]: ...
def wherobots_task(python_callable: Any = None, multiple_outputs: bool | None = None, **kwargs: Any) -> Any:
    """Run the decorated function on Wherobots Cloud: ``@task.wherobots``.

    The function must import what it uses, as with ``@task.virtualenv``. Its arguments and its return value are JSON.
    If it raises, the task fails with its traceback. Source: Airflow's guide to custom TaskFlow decorators.

    :param python_callable: the function.
    :param multiple_outputs: whether each key of a returned dict becomes an XCom; default: whether the function's return
        annotation is a dict.
    :param kwargs: ``dependencies`` and the other arguments of :class:`WherobotsDecoratedOperator`, and those of every
        operator.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=WherobotsDecoratedOperator,
        **kwargs,
    )


def _with_dependencies(environment: Any, dependencies: Any) -> Any:
    if dependencies is None:
        return environment
    if environment is None:
        return {"dependencies": dependencies}
    if not isinstance(environment, Mapping) or environment.get("dependencies") is not None:
        raise InvalidArgumentError(
            "dependencies, environment: packages must be in one of them: either dependencies, or "
            "environment['dependencies']"
        )
    return {**environment, "dependencies": dependencies}
