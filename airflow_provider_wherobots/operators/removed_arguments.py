"""Arguments that DAGs for earlier releases of the official provider may still give."""

from __future__ import annotations

import warnings
from typing import Any

_REMOVED = {
    "xcom_push": "The run's id is always pushed as XCom 'run_id'",
}


def drop_removed_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Take out arguments that no longer do anything, with a warning that says what to do.

    Source: ``airflow-providers-wherobots`` 1.0 to 1.2, where the run operator had them.

    :param kwargs: what the operator hands on to Airflow's own.
    :returns: the arguments that are left.
    """
    for argument in kwargs.keys() & _REMOVED.keys():
        from airflow.exceptions import AirflowProviderDeprecationWarning

        warnings.warn(
            f"{kwargs.get('task_id')}: {argument}={kwargs[argument]!r} has no effect. "
            f"{_REMOVED[argument]}; take the argument out",
            AirflowProviderDeprecationWarning,
            # Past the constructor and Airflow's wrapper around it: the line of the DAG.
            stacklevel=4,
        )
    return {key: value for key, value in kwargs.items() if key not in _REMOVED}
