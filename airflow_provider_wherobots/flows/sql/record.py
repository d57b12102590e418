"""What the tries of a task know of its writes: the statements that must not be executed twice.

A worker can die at any moment, and a session that ends forgets its statements. So each try writes down what it does in
the *keys* of XComs. When the next try starts, Airflow deletes the XComs of the try before, and tells their keys. Each
try hands on what it was told, so that any try can read all of it.

=============================  =========================================================================================
key                            meaning
=============================  =========================================================================================
``sql_sent-TRY-MARK``          the try is about to send the statement
``sql_succeeded-TRY-MARK``     it has taken effect
``sql_no_effect-TRY-MARK``     it has written nothing: it has failed, or was cancelled because the task asked for that
``sql_since-TRY``              the try has handed on all that it was told. The tries since the last clear begin with TRY
``sql_cleared``                the task was cleared while the try ran (Airflow 2.11 tells that in no other way)
=============================  =========================================================================================

A mark stands for a statement's text, so a statement that was edited is another one. A statement has taken effect if one
try's word is ``succeeded``. It is in doubt if a try has sent it, and has left no other word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState

MAX_EARLIER_TRIES = 5
CLEARED_KEY = "sql_cleared"
_UNSETTLED_KEY, _SETTLED_KEY = "sql_unsettled", "sql_settled"
"""What versions without this record have left: a write may have been sent, and none of it has had an effect."""
_SINCE = re.compile(r"sql_since-(\d+)")
_KEY = re.compile(r"sql_(sent|succeeded|no_effect)-(\d+)-([0-9a-f]{12})")


class Word(StrEnum):
    """What a try says of a statement."""

    SENT = "sent"
    SUCCEEDED = "succeeded"
    NO_EFFECT = "no_effect"


def key_of(word: Word, try_number: int, mark: str) -> str:
    """The key by which a try records a word about a statement. Airflow 2.11 allows 50 characters."""
    return f"sql_{word}-{try_number}-{mark}"


@dataclass
class SqlRecord:
    """The record as one try has it. ``first`` is the first try since the last clear; ``is_complete`` means that nothing
    was sent that it does not mention.
    """

    try_number: int
    first: int
    is_complete: bool = True
    _words: dict[tuple[str, int], Word] = field(default_factory=dict)

    @classmethod
    def begin(cls, told: Collection[str] | None, try_number: int, first: int) -> SqlRecord:
        """The record of a new try. ``told`` has the XCom keys of the try before; None if they are not known."""
        if first == try_number or CLEARED_KEY in (told or ()):
            return cls(try_number, try_number)
        if told is None or (_UNSETTLED_KEY in told and _SETTLED_KEY not in told):
            return cls(try_number, first, is_complete=False)
        # The first of all tries was told nothing, and need not say so. A later one may have ended before it handed on.
        return cls._read(told, try_number, first, is_complete=first == try_number - 1)

    @classmethod
    def resume(cls, kept: Collection[str] | None, try_number: int, first: int) -> SqlRecord:
        """The record of a try that continues after a deferral. ``kept`` is what :meth:`to_keys` returned before it;
        None if nothing was kept.
        """
        return cls._read(kept or (), try_number, first, is_complete=first == try_number)

    @classmethod
    def _read(cls, keys: Collection[str], try_number: int, first: int, is_complete: bool) -> SqlRecord:
        since = [int(found[1]) for found in map(_SINCE.fullmatch, keys) if found]
        record = cls(try_number, max([first, *since]), is_complete or bool(since))
        record.add(keys)
        return record

    def add(self, keys: Iterable[str]) -> None:
        """Read more keys. Keys that are not the record's are left out."""
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

    def to_keys(self) -> list[str]:
        """The keys that hand on all that a later try must be told. The last one says that these are all."""
        told = [
            key_of(word, number, mark)
            for (mark, number), word in self._words.items()
            # Without a complete record it matters what is known not to have had an effect.
            if word is not Word.NO_EFFECT or not self.is_complete
        ]
        return [*told, f"sql_since-{self.first}"] if self.is_complete else told

    @property
    def earlier_tries(self) -> list[int]:
        """The numbers of the tries since the last clear, newest first, without this one; at most five."""
        return list(range(self.try_number - 1, self.first - 1, -1))[:MAX_EARLIER_TRIES]

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
        """Whether an earlier try has executed a statement, or may have, that is not among the task's any more."""
        return any(
            mark not in marks and number < self.try_number and word is not Word.NO_EFFECT
            for (mark, number), word in self._words.items()
        )


def word_of(outcome: StatementOutcome) -> Word | None:
    """What an outcome says of a statement's effect; None if it does not tell.

    A cancel that the task has asked for, and that the session has confirmed, counts like a failure. If nobody of this
    task has asked for it, the session may have cancelled a statement of which some had taken effect.
    """
    match outcome.state:
        case StatementState.SUCCEEDED:
            return Word.SUCCEEDED
        case StatementState.FAILED:
            return Word.NO_EFFECT
        case StatementState.DEADLINE if outcome.has_succeeded:
            return Word.SUCCEEDED
        case StatementState.DEADLINE | StatementState.GAVE_UP if outcome.is_cancelled or not outcome.was_sent:
            return Word.NO_EFFECT
        case StatementState.GAVE_UP:
            # Only the result is missing.
            return Word.SUCCEEDED
    return None
