"""Airflow's part of a task decorator, which 3.0 moved.

Not in ``compat``: it imports much that neither the run operator nor a trigger needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wherobots.compat import AIRFLOW

if TYPE_CHECKING or AIRFLOW >= (3, 0):
    from airflow.sdk.bases.decorator import (  # type: ignore[attr-defined]
        KNOWN_CONTEXT_KEYS,
        DecoratedOperator,
        FParams,
        FReturn,
        Task,
        task_decorator_factory,
    )
else:
    from airflow.decorators.base import (
        KNOWN_CONTEXT_KEYS,
        DecoratedOperator,
        FParams,
        FReturn,
        Task,
        task_decorator_factory,
    )

__all__ = ["KNOWN_CONTEXT_KEYS", "DecoratedOperator", "FParams", "FReturn", "Task", "task_decorator_factory"]
