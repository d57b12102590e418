"""The questions about the service that the three runs answer.

The published description of the API leaves them open, and each answer matters to users. The provider handles every
known possible answer. The result of a question is the answer of this service, whether the provider handles it, and
what to do if it differs from what the provider assumes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_wherobots.doctor import read_log, read_runs
from airflow_provider_wherobots.doctor.check import Check, Reading, State
from airflow_provider_wherobots.doctor.trial import Trial

NO_RUN = "No run was observed that shows it."


@dataclass(frozen=True, slots=True)
class Question:
    """An open question about the service. ``read`` finds the answer in a trial, or returns None. ``advice`` is for an
    answer that differs from what the provider assumes.
    """

    text: str
    read: Callable[[Trial], Reading | None]
    advice: str


QUESTIONS = (
    Question("Is a run created as requested?", read_runs.created, "stay within the service's limits"),
    Question("Does a run complete?", read_runs.completed, "correct what the run's reason names, then repeat"),
    Question(
        "Does a cancel end a run?",
        read_runs.cancelled,
        "find runs that have not ended with the command orphans; they cost money until their timeout_seconds",
    ),
    Question(
        "How does a run end that exceeds timeout_seconds?",
        read_runs.timed_out,
        "set execution_timeout in place of timeout_seconds: then the task's exception says what happened",
    ),
    Question(
        "Does timeout_seconds leave out the time PENDING?",
        read_runs.timeout_leaves_out_pending,
        "add the time that a run may wait for a runtime to timeout_seconds",
    ),
    Question(
        "Is the cost known when a run ends?",
        read_runs.cost,
        "take costs from the service's bill: run_summary and the metrics do not have them",
    ),
    Question(
        "Does every call get a response?",
        read_runs.failures,
        "check for a proxy or network that ends connections; after 429, start fewer tasks at once with this API key",
    ),
    Question(
        "How soon does List Runs show a new run?",
        read_runs.listed,
        "after a create without a response, check with runs list whether a second run was created",
    ),
    Question(
        "Can a retry find its run by name?",
        read_runs.found_by_suffix,
        "set retries=0 for tasks whose run must not be repeated: a retry creates another run",
    ),
    Question(
        "Where does the next page of a log begin?",
        read_log.next_page,
        "do not rely on task logs: they may lack lines. Read the log in the console",
    ),
    Question(
        "How many lines does a page of a log have?",
        read_log.page_size,
        "do not rely on task logs: long ones may lack lines. Read the log in the console",
    ),
    Question(
        "Does the task log get every line once, in order?",
        read_log.forwarded,
        "sort by the lines' own times; if lines are missing, read the log in the console",
    ),
    Question(
        "How long after the end of a run do lines come?",
        read_log.late,
        "results and the last lines may be missing: have the script wait before it ends",
    ),
    Question(
        "Do unusual lines arrive unchanged?",
        read_log.unusual,
        "have scripts print none of these; a result is one line, so a cut loses it",
    ),
    Question("Do args arrive as they are sent?", read_log.args, "pass such values in a file"),
    Question("What does a script run on?", read_log.machine, ""),
)


def checks_of(trial: Trial) -> list[Check]:
    """The results of a trial, in the order of the questions."""
    return [_check_of(question, trial) for question in QUESTIONS]


def _check_of(question: Question, trial: Trial) -> Check:
    text, state = question.read(trial) or (NO_RUN, State.NOT_CHECKED)
    differs = state in (State.HANDLED, State.DIFFERS)
    return Check(question.text, state, text, question.advice if differs else "")
