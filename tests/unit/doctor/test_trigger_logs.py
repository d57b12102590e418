"""What the doctor reports on a log handler."""

import pytest

from airflow_provider_wherobots.doctor.checks import LOCAL, Check, State, check_handler


def check(name: str, *, supports: bool = True, unseen: str = "", copies: bool = False) -> Check:
    return check_handler(name, supports_triggers=supports, unseen_connection=unseen, copies=copies)


@pytest.mark.parametrize(
    ("found", "state", "text", "advice"),
    [
        (check("S3RemoteLogIO"), State.OK, "S3RemoteLogIO keeps what a trigger writes.", ""),
        (check("WasbTaskHandler"), State.OK, "WasbTaskHandler keeps", ""),
        (check("CloudWatchRemoteLogIO"), State.WARNING, "issues 70314 and 70317", "set [wherobots] copy_log_on_resume"),
        (check("HdfsRemoteLogIO"), State.WARNING, "after the end of the task.", "to True"),
        (check("OSSTaskHandler", supports=False), State.WARNING, "OSSTaskHandler does not store", "to True"),
        (
            check("S3RemoteLogIO", unseen="logs"),
            State.NOT_CHECKED,
            "'logs' in a triggerer",
            "no line 'Following run …'",
        ),
        (check(LOCAL), State.NOT_CHECKED, "[logging] base_log_folder", "no line 'Following run …'"),
        (check("OwnLogIO"), State.NOT_CHECKED, "Whether OwnLogIO keeps", "no line 'Following run …'"),
    ],
)
def test_a_handler_and_what_to_do(found: Check, state: State, text: str, advice: str) -> None:
    assert found.state is state
    assert text in found.text
    assert advice in found.advice
    assert bool(advice) == bool(found.advice)


@pytest.mark.parametrize("name", ["CloudWatchRemoteLogIO", "OwnLogIO", LOCAL])
def test_a_log_that_is_copied_is_not_lost(name: str) -> None:
    found = check(name, copies=True)
    assert (found.state, found.advice) == (State.OK, "")
    assert found.text.endswith(" copy_log_on_resume = True copies the run's log.")


def test_a_copy_that_is_not_needed_shows_lines_twice() -> None:
    assert check("GCSRemoteLogIO", copies=True).advice == "the copy shows lines twice: set copy_log_on_resume to False"
