"""The argument of earlier releases of the official provider that a DAG may still pass."""

from __future__ import annotations

import warnings
from typing import Any


def drop_removed_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Remove the argument that has no effect any more, with a warning.

    Source: the run operator of ``airflow-providers-wherobots`` 1.0 to 1.2.
    """
    if "xcom_push" in kwargs:
        from airflow.exceptions import AirflowProviderDeprecationWarning

        warnings.warn(
            f"{kwargs.get('task_id')}: xcom_push={kwargs['xcom_push']!r} has no effect. The run's id is always pushed "
            "as XCom 'run_id'; remove the argument",
            AirflowProviderDeprecationWarning,
            # Skips the constructor and Airflow's wrapper around it: names the line in the DAG.
            stacklevel=4,
        )
    return {key: value for key, value in kwargs.items() if key != "xcom_push"}
