"""What a task remembers from one try to the next.

A clear starts a task instance over. Between two clears it has at most one active run, however often it is retried, and
a run that has completed is not repeated. After a clear the task takes over nothing that has ended.

The memory is one document per task instance. It is written before what it describes is done: a create is noted as sent
before it is sent, and a write of SQL too. ``task_memory.py`` knows where the document is. A try starts with one of
three answers to the question what the tries before it have done (:class:`Past`)::

    the document              this try
    ------------------------  -----------------------------------------------------------------------
    with what came since the  knows it: KNOWN
    last clear
    missing, and it was       is the first after the clear, which may discard the document: NOTHING
    cleared, or is SQL
    missing otherwise         does not know: Airflow may have had no store in the try before: UNKNOWN
    of tries that are over    is the first after a clear: NOTHING
    with other ``max_tries``  is the first after a clear, which has raised them: NOTHING
    unreadable, or no store   does not know, unless it is the first try at all: UNKNOWN, or NOTHING

The tries are over if one has failed and none follows. A try that was done is not always the last one: Airflow may still
fail it, for what comes after ``execute``. So they are over only if no retry could follow, or ``retries`` have been
edited since, or the same try begins once more, as in ``airflow tasks test``.

Unknown is not nothing: then nothing that has ended is taken over, and nothing unclear is repeated. To know whether it
was cleared, ``max_tries`` is enough: a clear sets it to the number of the last try and ``retries``.

A run of an unknown try is in a list. A statement of one would fail the task for good, if its session has ended. So for
SQL a missing document means that nothing was sent: only after an upgrade from Airflow 3.2 between two tries is that not
so.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from airflow_provider_wherobots.runs.run_name import Identity
from airflow_provider_wherobots.stored import known_arguments

DIGEST_CHARS = 6
"""How long the digest of a SQL write is."""


class Past(StrEnum):
    """What a try knows of the tries before it, since the last clear."""

    NOTHING = "nothing"
    """They have done nothing: it is the first, or the first after a clear."""
    KNOWN = "known"
    UNKNOWN = "unknown"


class Answer(StrEnum):
    """What the store has answered to a try that has no document."""

    NOTHING = "nothing"
    """There is a store. It has no document, and the try takes that as an answer."""
    MISSING = "missing"
    """There is a store, and it has no document."""
    UNKNOWN = "unknown"
    """There is no store, or it could not be read."""


@dataclass(frozen=True, slots=True)
class Try:
    """A try that begins.

    :param number: its number.
    :param max_tries: of the task instance, as Airflow's server has them.
    :param retries: of the task.
    :param is_started_again: whether Airflow starts the same try again, by a reschedule.
    :param is_resumed: whether it goes on after a deferral.
    """

    number: int
    max_tries: int
    retries: int = 0
    is_started_again: bool = False
    is_resumed: bool = False

    @property
    def is_first(self) -> bool:
        """Whether Airflow has started no try of this task instance before."""
        return self.number == 1 and not self.is_started_again

    @property
    def is_last(self) -> bool:
        """Whether Airflow makes no other try after this one fails."""
        return self.number > self.max_tries

    @property
    def was_cleared(self) -> bool:
        """Whether the task instance was ever cleared, which raises ``max_tries``."""
        return self.max_tries > self.retries


@dataclass(frozen=True, slots=True)
class Journal:
    """The SQL writes since the last clear, in order. ``flows/sql/journal.py`` has the theory.

    :param done: the digests of those that have taken effect, one after the other. It is stored with each write, so a
        digest is short. One digest of all would not do: a function could make other writes, and fewer, in a retry.
    :param sent: digest of the one after them, which was sent and whose end is not known; empty if there is none.
    :param execution_id: of the last one that was sent.
    :param session_id: its session.
    :param ahead: how many of those that earlier tries have done the function of the newest try has not come to yet.
    """

    done: str = ""
    sent: str = ""
    execution_id: str = ""
    session_id: str = ""
    ahead: int = 0

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        given = known_arguments(cls, document)
        # An earlier state had a list of longer ones.
        return cls(**{**given, "done": "".join(one[:DIGEST_CHARS] for one in given.get("done", ""))})

    @classmethod
    def of_list(cls, statements: Iterable[Mapping[str, Any]]) -> Self:
        """The journal of an earlier state, which had a list of the writes with their outcomes."""
        journal = cls()
        for one in statements:
            if one["outcome"] == "failed":
                continue
            # A digest that is not known is no write's, so the outcome of that write is unknown.
            digest = (one["digest"] or "?" * DIGEST_CHARS)[:DIGEST_CHARS]
            journal = replace(journal, execution_id=one["execution_id"], session_id=one["session_id"])
            has_succeeded = one["outcome"] == "succeeded"
            journal = replace(journal, done=journal.done + digest) if has_succeeded else replace(journal, sent=digest)
        return journal

    @property
    def count(self) -> int:
        """How many have taken effect."""
        return len(self.done) // DIGEST_CHARS

    def digest(self, number: int) -> str:
        """The digest of one that has taken effect, counted from 0."""
        return self.done[number * DIGEST_CHARS : (number + 1) * DIGEST_CHARS]

    @property
    def unknown(self) -> tuple[tuple[str, str], ...]:
        """Execution and session of the write that may still run, if there is one."""
        return ((self.execution_id, self.session_id),) if self.sent else ()


@dataclass(frozen=True, slots=True)
class Memory:
    """What a try knows, its own doing included.

    :param identity: by which all tries find the runs of the task.
    :param max_tries: those of the task instance in the first try after the last clear, as Airflow's server has them.
    :param retries: those of the task in that try.
    :param past: what the try knows of the tries before it.
    :param has_looked: whether a try has looked for runs from before the last clear.
    :param passed_over: ids of runs that the task does not take over: those from before the last clear, and those that
        had ended when another was created.
    :param runs: ids of the runs since the last clear.
    :param is_create_unanswered: whether a create was sent whose response is not known, so that it may have created a
        run that is in no list yet.
    :param got_run_at: when a try last got a run, in epoch seconds; 0 if that is not known.
    :param done_in_try: the number of the try that was done; 0 if none was.
    :param is_over: whether a try has failed and none follows.
    :param repeats: how often the same try has been started over before, as with ``airflow tasks test``.
    :param journal: the SQL writes since the last clear.
    :param writes_left: execution and session of each write from before the last clear that may still run.
    :param has_ended_writes: whether a try has ended those.
    :param session_id: of the SQL session that the task has started for itself, or empty.
    :param runtimes: the task's runtime, and those that were chosen instead since the last clear, each after a run
        that was out of memory; the next run gets the last. An empty string is the default.
    :param tries: what each try has seen last of its run, oldest first. Only for people: the XCom ``runs``.
    """

    identity: Identity
    max_tries: int
    past: Past
    retries: int = 0
    has_looked: bool = False
    passed_over: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    is_create_unanswered: bool = False
    got_run_at: float = 0.0
    done_in_try: int = 0
    is_over: bool = False
    repeats: int = 0
    journal: Journal = Journal()
    writes_left: tuple[tuple[str, str], ...] = ()
    has_ended_writes: bool = False
    session_id: str = ""
    runtimes: tuple[str, ...] = ()
    tries: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def begin(cls, found: Memory | Answer, computed: Identity, this: Try) -> Memory:
        """What a try knows when it begins.

        :param found: the document, or why there is none.
        :param computed: the identity if there is no document. A clear of an ended DAG run changes it.
        :param this: the try.
        """
        if isinstance(found, Answer):
            is_first_since_clear = found is Answer.NOTHING or (found is Answer.MISSING and this.was_cleared)
            past = Past.NOTHING if this.is_first or is_first_since_clear else Past.UNKNOWN
            return cls(computed, this.max_tries, past, this.retries)
        if found._goes_on_in(this):
            return found
        return cls(
            found.identity,
            this.max_tries,
            Past.NOTHING,
            this.retries,
            passed_over=_united(found.passed_over, found.runs),
            # What is not known may be a create.
            is_create_unanswered=found.is_create_unanswered or found.past_of_runs is Past.UNKNOWN,
            got_run_at=found.got_run_at,
            repeats=found.repeats + 1 if found.done_in_try == this.number else 0,
            writes_left=(*found.writes_left, *found.journal.unknown),
            tries=found.tries,
        )

    def _goes_on_in(self, this: Try) -> bool:
        if self.is_over or self.max_tries != this.max_tries:
            return False
        if not self.done_in_try or this.is_resumed:
            return True
        could_be_retried = self.done_in_try <= self.max_tries and self.retries == this.retries
        begins_once_more = self.done_in_try == this.number and not this.is_started_again
        return could_be_retried and not begins_once_more

    @property
    def past_of_runs(self) -> Past:
        """What is known of earlier runs. Once a try has looked for them, all are known."""
        return Past.KNOWN if self.has_looked else self.past

    def looked(self, found: Iterable[str]) -> Memory:
        """The try has found runs, and takes over none of them."""
        passed_over = _united(self.passed_over, found)
        return replace(self, has_looked=True, passed_over=passed_over, is_create_unanswered=False)

    def create_sent(self) -> Memory:
        """A create is about to be sent."""
        return replace(self, has_looked=True, is_create_unanswered=True)

    def create_refused(self) -> Memory:
        """No create has created a run that is not known."""
        return replace(self, is_create_unanswered=False)

    def has_run(self, run_id: str, moment: float) -> Memory:
        """The task has a run: it was created, or found, at a moment."""
        return replace(
            self,
            has_looked=True,
            runs=_united(self.runs, [run_id]),
            passed_over=tuple(known for known in self.passed_over if known != run_id),
            is_create_unanswered=False,
            got_run_at=moment,
        )

    def done(self, try_number: int) -> Memory:
        """A try was done."""
        return replace(self, done_in_try=try_number)

    def over(self) -> Memory:
        """A try has failed, and none follows."""
        return replace(self, is_over=True)

    def with_journal(self, journal: Journal, *, is_past_known: bool) -> Memory:
        """A SQL write is about to be sent, or its end is known."""
        return replace(self, journal=journal, past=Past.KNOWN if is_past_known else self.past)

    def ended_writes(self) -> Memory:
        """Nothing runs any more that earlier rounds have sent."""
        return replace(self, writes_left=(), has_ended_writes=True)

    def has_session(self, session_id: str) -> Memory:
        """The task has started a SQL session for itself."""
        return replace(self, session_id=session_id)

    def with_runtime(self, given: str, chosen: str) -> Memory:
        """A run was out of memory, and the next one gets another runtime than the task's."""
        return replace(self, runtimes=(*(self.runtimes_of(given) or (given,)), chosen))

    def with_try(self, seen: Mapping[str, Any]) -> Memory:
        """A try has seen its run."""
        tries = {(one["try_number"], one["run_id"]): one for one in self.tries}
        key = (seen["try_number"], seen["run_id"])
        tries[key] = {**tries.pop(key, {}), **seen}
        return replace(self, tries=tuple(tries.values()))

    def runtimes_of(self, given: str) -> tuple[str, ...]:
        """The same as :attr:`runtimes`; empty if the task's runtime has been edited since."""
        return self.runtimes if self.runtimes[:1] == (given,) else ()

    def to_json(self) -> dict[str, Any]:
        """The document. Airflow's page "Task State Store" shows it."""
        # Airflow's store refuses tuples, which JSON has as lists.
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a document that this version or another one has written. Raises a ``ValueError`` for anything else."""
        try:
            given = known_arguments(cls, document)
            known = Past.KNOWN if given.get("has_looked") else Past.NOTHING
            if "journal" in given:
                journal = Journal.from_json(given["journal"])
            else:
                journal = Journal.of_list(document.get("statements", ()))
                left = [(one["execution_id"], one["session_id"]) for one in document.get("statements_left", ())]
                given = {"writes_left": left, "has_ended_writes": document.get("has_ended_statements", False), **given}
            return cls(
                **{
                    **given,
                    "identity": Identity(**known_arguments(Identity, given["identity"])),
                    "past": Past.UNKNOWN if given.get("past") == Past.UNKNOWN else known,
                    "passed_over": tuple(given.get("passed_over", ())),
                    "runs": tuple(given.get("runs", ())),
                    "runtimes": tuple(given.get("runtimes", ())),
                    "tries": tuple(given.get("tries", ())),
                    "journal": journal,
                    "writes_left": tuple((str(one), str(session)) for one, session in given.get("writes_left", ())),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not what a task of this provider remembers: {error!r}") from None


def _united(known: Collection[str], more: Iterable[str]) -> tuple[str, ...]:
    return (*known, *(run_id for run_id in dict.fromkeys(more) if run_id not in known))
