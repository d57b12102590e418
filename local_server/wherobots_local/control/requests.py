"""The bodies of control calls."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from wherobots_local.api.errors import ApiError, Problem
from wherobots_local.api.queries import ControlModel, validated
from wherobots_local.control.faults import Seconds
from wherobots_local.runs.run import LocalRun, utc_now
from wherobots_local.security import checked_key


def _digits(value: Any) -> Any:
    is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
    return int(value) if is_number else value


# Up to the year 2116: the server adds later lines, whose times it stores in 63 bits.
_Nanoseconds = Annotated[int, BeforeValidator(_digits), Field(ge=0, lt=2**62)]


class EventPatch(ControlModel):
    code: str | None = None
    message: str | None = None


class AppPatch(ControlModel):
    """Changes to ``kubeApp``; None changes nothing."""

    status: str | None = None
    message: str | None = None
    events: list[EventPatch] = Field(default_factory=list)
    spark_ui_url: str | None = None


class RunPatch(ControlModel):
    """Changes to a run; None changes nothing. Any status is allowed, also an unknown one. ``completed`` sets
    ``completeTime``, which a terminal status does by itself."""

    status: str | None = None
    completed: bool = False
    app: AppPatch = Field(default=AppPatch(), alias="kubeApp")

    @property
    def suits_a_process(self) -> bool:
        """Whether it changes only the address of the Spark UI, as is allowed for a run with a process."""
        only = RunPatch(kubeApp=AppPatch(spark_ui_url=self.app.spark_ui_url))
        return self == only


class NewLine(ControlModel):
    """``timestamp`` is in nanoseconds since the epoch, None for now."""

    timestamp: _Nanoseconds | None = None
    raw: str


class NewLines(ControlModel):
    items: list[NewLine]


class NewKey(ControlModel):
    """None means a random key."""

    api_key: Annotated[str, AfterValidator(checked_key)] | None = None


class Reset(ControlModel):
    storage: bool = True


class NewAnswer(ControlModel):
    """The response of the synthetic engine to a statement."""

    statement: str
    columns: dict[str, list[Any]] | None = None
    geometry: list[str] = Field(default_factory=list)
    error: str = ""
    seconds: Seconds = 0.0


def apply_run_patch(run: LocalRun, patch: RunPatch) -> None:
    for event in patch.app.events:
        run.add_event(event.code, event.message)
    if patch.app.status is not None or patch.app.message is not None:
        run.set_app(patch.app.status or run.app_status, patch.app.message)
    if patch.app.spark_ui_url is not None:
        run.set_spark_ui(patch.app.spark_ui_url)
    if patch.status is not None:
        run.set_status(patch.status)
    if patch.completed and run.completed_at is None:
        run.completed_at = utc_now()


def parse_new_key(body: object) -> str | None:
    """Return the new API key, None for a random one. An error does not show the key."""
    try:
        return validated(NewKey, body).api_key
    except ApiError as error:
        # The usual message about a wrong value would show the key.
        rule = "api_key must be printable ASCII without white space, or null; the body has no other key"
        raise ApiError(422, [Problem(rule, problem.field) for problem in error.problems]) from None
