"""What the tries of a task know of its writes: the statements that must not be executed twice.

A worker can die at any moment, and a session that ends forgets its statements. So each try writes down what it does in
the *keys* of XComs. When the next try starts, Airflow deletes the XComs of the try before, and reports their keys. Each
try writes those keys again, so that any try can read all of them.

=============================  =========================================================================================
key                            meaning
=============================  =========================================================================================
``sql_sent-TRY-MARK``          the try is about to send the statement
``sql_succeeded-TRY-MARK``     it has taken effect
``sql_no_effect-TRY-MARK``     it has written nothing: it has failed, or was cancelled by this task
``sql_since-TRY``              the try has written all earlier keys again. TRY is the first try since the last clear
``sql_cleared``                the task was cleared while the try ran (Airflow 2.11 reports that in no other way)
=============================  =========================================================================================

A mark stands for a statement's text, so a statement that was edited is another one. A statement has taken effect if one
try's word is ``succeeded``. It is in doubt if a try has sent it, and has left no other word. The id of an execution is
derived from the task instance, the number of the try and the mark, so that a later try can find it in the session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from uuid import UUID, uuid5

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState

NAMESPACE = UUID("5f0d4f6e-7c0a-4a0e-9d7e-0c6f2f1d9b51")
MARK_CHARS = 12
MAX_EARLIER_TRIES = 5
CLEARED_KEY = "sql_cleared"
STARTED_BEFORE = "started_before"
"""Among the keys that a deferral keeps, if this try was started before."""
_UNSETTLED_KEY, _SETTLED_KEY = "sql_unsettled", "sql_settled"
"""Keys of versions without this record: a write may have been sent; it has had no effect."""
_SINCE = re.compile(r"sql_since-(\d+)")
_KEY = re.compile(r"sql_(sent|succeeded|no_effect)-(\d+)-([0-9a-f]{12})")


def mark_of(statement: str, store: Store | None = None, occurrence: int = 0) -> str:
    """The mark of a statement: a hash of its text, its store, and the number of equal statements before it."""
    target = "" if store is None else json.dumps(store.to_json(), sort_keys=True)
    return sha256("\x1f".join((statement, target, str(occurrence))).encode()).hexdigest()[:MARK_CHARS]


@dataclass(frozen=True, slots=True)
class ExecutionIds:
    """The ids of a task's executions. Its identity is the same for all its tries, and no other task has it."""

    identity: str

    def of(self, try_number: int, mark: str) -> str:
        return str(uuid5(NAMESPACE, "\x1f".join((self.identity, str(try_number), mark))))

    @staticmethod
    def of_second(execution_id: str) -> str:
        """The id under which a try executes a statement a second time."""
        return str(uuid5(NAMESPACE, execution_id))


class Word(StrEnum):
    """What a try records about a statement."""

    SENT = "sent"
    SUCCEEDED = "succeeded"
    NO_EFFECT = "no_effect"


def key_of(word: Word, try_number: int, mark: str) -> str:
    """The key by which a try records a word about a statement. Airflow 2.11 allows 50 characters."""
    return f"sql_{word}-{try_number}-{mark}"


@dataclass
class SqlRecord:
    """The record as one try has it. ``first`` is the first try since the last clear; ``is_complete`` means that nothing
    was sent that it does not mention; ``was_started_before`` that Airflow starts this try again
    (``tasks/begun_tries.py``).
    """

    try_number: int
    first: int
    is_complete: bool = True
    was_started_before: bool = False
    _words: dict[tuple[str, int], Word] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, keys: Collection[str] | None, try_number: int, first: int, *, is_restarted: bool = False
    ) -> SqlRecord:
        """The record of a try that begins. ``keys`` are the XCom keys of the try before, or of this one if Airflow has
        started it before (``is_restarted``); None if they are not known.
        """
        if is_restarted:
            record = cls._read(keys or (), try_number, first, is_complete=False)
            record.was_started_before = True
            return record
        if first == try_number or CLEARED_KEY in (keys or ()):
            return cls(try_number, try_number)
        if keys is None or (_UNSETTLED_KEY in keys and _SETTLED_KEY not in keys):
            return cls(try_number, first, is_complete=False)
        # The first of all tries has no earlier keys to write. A later one may have ended before it wrote them.
        return cls._read(keys, try_number, first, is_complete=first == try_number - 1)

    @classmethod
    def resume(cls, keys: Collection[str] | None, try_number: int, first: int) -> SqlRecord:
        """The record of a try that continues after a deferral. ``keys`` is what :meth:`kept` returned before it;
        None if that is lost.
        """
        record = cls._read(keys or (), try_number, first, is_complete=first == try_number)
        record.was_started_before = STARTED_BEFORE in (keys or ())
        return record

    @classmethod
    def _read(cls, keys: Collection[str], try_number: int, first: int, is_complete: bool) -> SqlRecord:
        since = [int(found[1]) for found in map(_SINCE.fullmatch, keys) if found]
        record = cls(try_number, max([first, *since]), is_complete or bool(since))
        record.add(keys)
        return record

    def add(self, keys: Iterable[str]) -> None:
        """Read more keys. Other keys are ignored."""
        for found in filter(None, map(_KEY.fullmatch, keys)):
            word, try_number, mark = Word(found[1]), int(found[2]), found[3]
            if try_number >= self.first and self._words.get((mark, try_number), Word.SENT) is Word.SENT:
                self._words[mark, try_number] = word

    def write(self, word: Word, mark: str, try_number: int) -> str | None:
        """Record what is known of a statement, and return the key for a later try; None if it is recorded already."""
        if self._words.get((mark, try_number)) is word:
            return None
        self._words[mark, try_number] = word
        return key_of(word, try_number, mark)

    def kept(self) -> list[str]:
        """What a deferral keeps for :meth:`resume`."""
        return [*self.to_keys(), STARTED_BEFORE] if self.was_started_before else self.to_keys()

    def to_keys(self) -> list[str]:
        """The keys that a later try needs. The last one marks them as complete."""
        keys = [
            key_of(word, number, mark)
            for (mark, number), word in self._words.items()
            # Without a complete record it matters what is known not to have had an effect.
            if word is not Word.NO_EFFECT or not self.is_complete
        ]
        return [*keys, f"sql_since-{self.first}"] if self.is_complete else keys

    @property
    def earlier_tries(self) -> list[int]:
        """The numbers of the tries since the last clear, newest first; at most five. This one is among them if it was
        started before.
        """
        newest = self.try_number if self.was_started_before else self.try_number - 1
        return list(range(newest, self.first - 1, -1))[:MAX_EARLIER_TRIES]

    @property
    def tries_before_clear(self) -> list[int]:
        """The numbers of the tries before the last clear, newest first; at most five."""
        return list(range(self.first - 1, 0, -1))[:MAX_EARLIER_TRIES]

    def succeeded_in(self, mark: str) -> int | None:
        """The try in which a statement has taken effect; None if none is known."""
        return next(
            (number for (one, number), word in self._words.items() if (one, word) == (mark, Word.SUCCEEDED)), None
        )

    def in_doubt(self, mark: str) -> list[int]:
        """The tries that may have executed a statement, newest first, if none is known to have."""
        if self.succeeded_in(mark) is not None:
            return []
        unknown = None if self.is_complete else Word.SENT
        return [number for number in self.earlier_tries if self._words.get((mark, number), unknown) is Word.SENT]

    def sent_now(self) -> str | None:
        """The mark of the statement that this try has sent, and of which it does not know the outcome."""
        sent = (mark for (mark, number), word in self._words.items() if (number, word) == (self.try_number, Word.SENT))
        return next(sent, None)

    def knows_others(self, marks: Collection[str]) -> bool:
        """Whether an earlier try has executed, or may have executed, a statement that the task no longer has."""
        return any(
            mark not in marks and number in self.earlier_tries and word is not Word.NO_EFFECT
            for (mark, number), word in self._words.items()
        )


def word_of(outcome: StatementOutcome) -> Word | None:
    """What an outcome shows about a statement's effect; None if that is unknown.

    A cancel that the task has requested, and that the session has confirmed, counts like a failure. If the task has not
    requested it, the session may have cancelled a statement that had taken effect in part.
    """
    match outcome.state:
        case StatementState.SUCCEEDED:
            return Word.SUCCEEDED
        case StatementState.FAILED:
            return Word.NO_EFFECT
        case StatementState.DEADLINE if outcome.has_succeeded:
            return Word.SUCCEEDED
        case StatementState.DEADLINE | StatementState.GAVE_UP if outcome.wrote_nothing or not outcome.was_sent:
            return Word.NO_EFFECT
        case StatementState.GAVE_UP:
            # Only the result is missing.
            return Word.SUCCEEDED
    return None
