"""``payload``: renders a task and prints its create request, without a call and without a key.

It renders as ``airflow tasks render`` does, but on Airflow 3 without a database. 2.11 looks there for earlier DAG runs.
Source: ``task_render`` in ``airflow/cli/commands/task_command.py`` of Airflow 2.11 to 3.4.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sized
from importlib import import_module
from math import prod
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pendulum

from airflow_provider_wherobots.api.runs.payload import redact
from airflow_provider_wherobots.cli.common import CommandFailedError, print_message, print_result, read_settings
from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.operators.run import WherobotsRunOperator


def print_payload(arguments: argparse.Namespace) -> int:
    """Render the task of a DAG file, and print the region and the body of its ``POST /runs``."""
    bag = import_module("airflow.dag_processing.dagbag" if AIRFLOW >= (3, 2) else "airflow.models.dagbag").DagBag()
    dag = bag.dags.get(arguments.dag)
    if dag is None:
        for path, error in bag.import_errors.items():
            print_message(f"{path}: {error.strip()}")
        raise CommandFailedError(f"no DAG {arguments.dag!r} in {bag.dag_folder} ([core] dags_folder)")
    if not dag.has_task(arguments.task):
        raise CommandFailedError(f"no task {arguments.task!r} in the DAG {arguments.dag!r}")
    task = dag.get_task(arguments.task)
    _check_map_index(task, arguments.map_index)
    date = pendulum.instance(arguments.date) if arguments.date else pendulum.now("UTC")
    context = _context_of(task, date, arguments.map_index)
    try:
        task.render_template_fields(context)
    except ImportError as error:
        # What Airflow 3 reads XComs through is only there in a worker, on 3.0 also for a variable that is not set.
        if "SUPERVISOR_COMMS" not in str(error):
            raise
        raise CommandFailedError("a template reads an earlier task's result, or a variable that is not set") from None
    # Of a mapped task, this is the one with the index.
    task = context["task"]
    if not isinstance(task, WherobotsRunOperator):
        raise CommandFailedError(f"the task {arguments.task!r} creates no Wherobots run: {task.task_type}")
    try:
        settings: Any = read_settings(task.wherobots_conn_id)
    except CommandFailedError as error:
        print_message(f"The request has no defaults of the connection: {error}")
        settings = SimpleNamespace(region=None, runtime=None, version=None)
    vars(task)["hook"] = SimpleNamespace(settings=settings)
    given: Any = task.run_python
    with task.script_of_this_try(context):
        if task.run_python is not given:
            # The script of @task.wherobots is in a folder with another name each time.
            task.run_python = {**(task.run_python or {}), "uri": given["uri"]}
        payload = task.payload_to_send(context, None)
    print_result(json.dumps({"region": task.region_to_send, "payload": redact(payload)}, indent=2))
    return 0


def _check_map_index(task: Any, map_index: int) -> None:
    """Check the index, because Airflow takes one that is too large for another one."""
    mapped = [group._expand_input.value for group in task.iter_mapped_task_groups()]
    mapped += [task._get_specified_expand_input().value] if hasattr(task, "_get_specified_expand_input") else []
    if bool(mapped) != (map_index >= 0):
        raise CommandFailedError("a mapped task needs --map-index" if mapped else "only a mapped task has --map-index")
    sizes = [part for value in mapped for part in (value.values() if isinstance(value, dict) else [value])]
    if all(isinstance(part, Sized) for part in sizes) and map_index >= (count := prod(map(len, sizes))):
        raise CommandFailedError(f"--map-index {map_index}: must be below {count}")


def _context_of(task: Any, date: pendulum.DateTime, map_index: int) -> Any:
    """The context of a manual DAG run that is nowhere stored."""
    timetable = task.dag.timetable
    if AIRFLOW >= (3, 2):
        timetable = import_module("airflow.serialization.encoders").coerce_to_core_timetable(timetable)
    interval = timetable.infer_manual_data_interval(run_after=date)
    ids = {"dag_id": task.dag_id, "run_id": f"manual__{date.isoformat()}"}
    if AIRFLOW < (3, 0):
        models = import_module("airflow.models")
        ti = models.TaskInstance(task, run_id=ids["run_id"], map_index=map_index)
        ti.dag_run = models.DagRun(**ids, execution_date=date, run_type="manual", data_interval=interval)
        return ti.get_template_context()
    data = import_module("airflow.sdk.api.datamodels._generated")
    dag_run = data.DagRun.model_construct(
        **{**ids, "logical_date": date, "run_after": date, "start_date": date, "run_type": "manual", "conf": {}},
        **{"data_interval_start": interval.start, "data_interval_end": interval.end},
        **{"consumed_asset_events": [], "partition_key": None},
    )
    ti = import_module("airflow.sdk.execution_time.task_runner").RuntimeTaskInstance.model_construct(
        **{**ids, "id": uuid4(), "task_id": task.task_id, "map_index": map_index, "try_number": 1, "task": task},
        _ti_context_from_server=data.TIRunContext.model_construct(dag_run=dag_run, max_tries=0),
    )
    return ti.get_template_context()
