"""What Airflow's page of rendered templates shows as the payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import AirflowException

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context


class PayloadOnceRendered:
    """The value of a template field that is known once all others are rendered: Airflow calls it to render it.

    Callables as template fields: Airflow 2.10 and later, mapped tasks included.

    :param build: puts the payload together out of the rendered fields and the context.
    """

    def __init__(self, build: Callable[[Any], Any]) -> None:
        self._build = build

    def __call__(self, context: Context, jinja_env: Any) -> Any:
        """Render the field. What is wrong with it is for the task to fail with, not for its rendering.

        :param context: the task's context.
        :param jinja_env: unused.
        """
        try:
            return self._build(context)
        except AirflowException as error:
            return f"cannot be put together: {error}"
        except Exception as error:
            # Of a secrets backend, say: what it says is not known to be free of secrets.
            return f"cannot be put together: {type(error).__name__}"

    def serialize(self) -> str:
        """What is shown before the task has run, the same for every parsing of the DAG (Airflow 3)."""
        return str(self)

    def __str__(self) -> str:
        return "known once the task runs"
