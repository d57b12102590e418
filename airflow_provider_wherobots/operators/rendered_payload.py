"""The create body on Airflow's page of rendered templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import AirflowException

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context


class PayloadOnceRendered:
    """The ``payload`` on Airflow's page of rendered templates. It is known after all other fields are rendered.

    Source: callables as template fields. Airflow 2.10 and later call them to render them, in mapped tasks too.

    :param build: builds the payload from the rendered fields and the context.
    """

    def __init__(self, build: Callable[[Any], Any]) -> None:
        self._build = build

    def __call__(self, context: Context, jinja_env: Any) -> Any:
        """Render the field. An error is shown as text: the task must fail with it later, not its rendering.

        :param context: the task's context.
        :param jinja_env: unused.
        """
        try:
            return self._build(context)
        except AirflowException as error:
            return f"cannot be built: {error}"
        except Exception as error:
            # Only the type: the text, such as a secrets backend's, may contain secrets.
            return f"cannot be built: {type(error).__name__}"

    def serialize(self) -> str:
        """The text shown before the task has run. On Airflow 3 it must be the same each time the DAG is parsed."""
        return str(self)

    def __str__(self) -> str:
        return "known once the task runs"
