"""Whether a task's log still has what its trigger has written, after the end of the task.

A trigger writes its part of the log on the triggerer. A log handler must store it when the trigger ends, and read it
back next to the worker's part. Source: ``upload`` and ``read`` of the handlers of Airflow's providers in November 2026.
"""

from __future__ import annotations

from airflow_provider_wherobots.doctor.check import Check, State

NAME = "trigger logs"
LOCAL = "FileTaskHandler"
"""The handler without remote logging."""
_READ_BACK = frozenset(
    ("S3RemoteLogIO", "GCSRemoteLogIO", "WasbRemoteLogIO", "S3TaskHandler", "GCSTaskHandler", "WasbTaskHandler")
)
"""They read every file whose name begins as the worker's does, and a trigger's does. The last three are of 2.11."""
_NOT_READ_BACK = {"CloudWatchRemoteLogIO": "70314 and 70317", "OSSRemoteLogIO": "", "HdfsRemoteLogIO": ""}
"""They read the worker's part only. With issues of apache/airflow."""
_SET = "set [wherobots] copy_log_on_resume to True"
_TRY = f"run a deferred task; if its log has no line 'Following run …' after its end, {_SET}"


def check_handler(name: str, *, supports_triggers: bool, unseen_connection: str, copies: bool) -> Check:
    """Judge the log handler with this class name.

    ``supports_triggers``: whether Airflow gives it what triggers write. ``unseen_connection``: the id of its connection
    if a triggerer may not find that, else empty. ``copies``: the value of ``copy_log_on_resume``.
    """
    keeps, text = _judge(name, supports_triggers, unseen_connection)
    if copies:
        advice = "the copy shows lines twice: set copy_log_on_resume to False" if keeps else ""
        return Check(NAME, State.OK, f"{text} copy_log_on_resume = True copies the run's log.", advice)
    if keeps is None:
        return Check(NAME, State.NOT_CHECKED, text, _TRY)
    return Check(NAME, State.OK, text) if keeps else Check(NAME, State.WARNING, text, _SET)


def _judge(name: str, supports_triggers: bool, unseen_connection: str) -> tuple[bool | None, str]:
    """Whether the trigger's part is kept, None if that is unknown, and a sentence about it."""
    if not supports_triggers:
        return False, f"{name} does not store what a trigger writes."
    if name in _NOT_READ_BACK:
        issues = _NOT_READ_BACK[name] and f" (apache/airflow issues {_NOT_READ_BACK[name]})"
        return False, f"{name} does not show what a trigger has written, after the end of the task{issues}."
    if name in _READ_BACK and unseen_connection:
        return None, (
            f"{name} keeps what a trigger writes, but Airflow 3.0 to 3.2 may not find the connection"
            f" {unseen_connection!r} in a triggerer unless its environment defines it (apache/airflow issue 65729)."
        )
    if name in _READ_BACK:
        return True, f"{name} keeps what a trigger writes."
    if name == LOCAL:
        return None, (
            "Logs stay on the machine that wrote them: a trigger's part is shown after the end of the task only if"
            " triggerers and the server of Airflow's UI share the folder [logging] base_log_folder."
        )
    return None, f"Whether {name} keeps what a trigger writes is not known."
