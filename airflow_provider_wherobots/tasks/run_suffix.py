"""How a try knows the runs of the tries before it: by the suffix of their names.

The suffix is made of the task instance's ids and the start of its DAG run, whose microseconds distinguish deployments
with the same ids. If the DAG run has ended, a clear gives it another start. So each try writes the suffix into the key
of an XCom: when the next try starts, Airflow deletes the XComs, but that try still gets their keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import note_for_retry, xcom_keys_of_earlier_try
from airflow_provider_wherobots.runs.run_name import HASH_CHARS, Identity
from airflow_provider_wherobots.xcoms import RUN_ID_KEY, RUN_SUFFIX_KEY, TO_REPLACE_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context

_NOTED = re.compile(rf"{RUN_SUFFIX_KEY}(-[0-9a-f]{{{HASH_CHARS}}})")


def suffix_of_task(context: Context) -> str:
    """The suffix of the names of a task instance's runs: the suffix of the try before, else a new one."""
    for key in _keys_of_earlier_try(context):
        if (noted := _NOTED.fullmatch(key)) is not None:
            return noted[1]
    return new_suffix(context)


def new_suffix(context: Context, job: str = "") -> str:
    """The suffix of a task instance that has none from an earlier try.

    ``job`` identifies an operator that the task's function executes: a function may execute several, also in a loop.
    """
    ti = context["ti"]
    map_index = ti.map_index if ti.map_index is not None else -1
    start = context["dag_run"].start_date
    return Identity.of_task(ti.dag_id, ti.run_id, ti.task_id, map_index, start, job=job).suffix


def earlier_try_had_run(context: Context) -> bool:
    """Whether the try before this one had a run, and has pushed its id."""
    return RUN_ID_KEY in _keys_of_earlier_try(context)


def earlier_try_has_not_replaced(context: Context) -> bool:
    """Whether the try before this one was to replace a run, after a clear, and could not find or cancel it."""
    return TO_REPLACE_KEY in _keys_of_earlier_try(context)


def pass_on_suffix(push: Callable[[str, Any], None], context: Context, suffix: str) -> None:
    """Write the suffix where the next try finds it."""
    _pass_on(push, context, f"{RUN_SUFFIX_KEY}{suffix}")


def pass_on_clear(push: Callable[[str, Any], None], context: Context) -> None:
    """Let the next try replace the run that this one could not."""
    _pass_on(push, context, TO_REPLACE_KEY)


def _pass_on(push: Callable[[str, Any], None], context: Context, key: str) -> None:
    push(key, True)
    note_for_retry(context["ti"], key)


def _keys_of_earlier_try(context: Context) -> tuple[str, ...]:
    return xcom_keys_of_earlier_try(context["ti"]) or ()
