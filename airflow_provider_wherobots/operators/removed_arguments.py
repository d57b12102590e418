"""Arguments that DAGs written for earlier releases of the official provider may still pass."""

from __future__ import annotations

import warnings
from typing import Any

_REMOVED = {
    "xcom_push": "The run's id is always pushed as XCom 'run_id'",
}


def drop_removed_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Remove arguments that have no effect any more, with a warning that says what to do.

    Source: the run operator of ``airflow-providers-wherobots`` 1.0 to 1.2.

    :param kwargs: the arguments that the operator passes on to ``BaseOperator``.
    :returns: the remaining arguments.
    """
    for argument in kwargs.keys() & _REMOVED.keys():
        from airflow.exceptions import AirflowProviderDeprecationWarning

        warnings.warn(
            f"{kwargs.get('task_id')}: {argument}={kwargs[argument]!r} has no effect. "
            f"{_REMOVED[argument]}; remove the argument",
            AirflowProviderDeprecationWarning,
            # Skips the constructor and Airflow's wrapper around it: names the line in the DAG.
            stacklevel=4,
        )
    return {key: value for key, value in kwargs.items() if key not in _REMOVED}
