"""The probable cause of a failure, recognized in the messages of Python, pip and Spark.

A wrong cause is worse than none. So only the exception that ended the program counts, with the exceptions that it names
as its causes; and an exception is a line that begins with the name of its class, not a text that mentions one.

Without a cause, the last lines of the log explain a failure.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from airflow_provider_wherobots.api.runs.models import Line
from airflow_provider_wherobots.logs.records import split_lines
from airflow_provider_wherobots.words import make_plain

MAX_ERRORS, MAX_ERROR_CHARS, MAX_QUOTED_CHARS = 20, 500, 150
MAX_LINES_AFTER = 100
"""With more lines after its stack trace, an exception did not end the program. Spark logs about 20 while it ends."""


class Cause(NamedTuple):
    """The pattern matches the beginning of an exception, or a part of the service's reason that is no exception."""

    pattern: str
    name: str
    advice: str


class Found(NamedTuple):
    """A probable cause: its name, the words that show it, and what to do."""

    name: str
    seen: str
    advice: str

    def __str__(self) -> str:
        return f"Probable cause: {self.in_short}. {self.advice}"

    @property
    def in_short(self) -> str:
        return f"{self.name} ({self.seen})"


OUT_OF_MEMORY = "out of memory"
"""The cause if the driver or an executor has definitely run out of memory."""
PERHAPS_OUT_OF_MEMORY = f"perhaps {OUT_OF_MEMORY}"
_LOST_EXECUTOR = r"The executor with id \w+ exited with exit code 137\b"
_KILLED = "termination reason: OOMKilled"
"""What Spark then logs about the executor's container, if Kubernetes has killed it for its memory."""
_BOTO = r"botocore\.[\w.]+: An error occurred"
_ON_S3 = r"when calling the \w*(?:Object|Bucket|Multipart|UploadPart)\w* operation"
CAUSES = (
    Cause(
        # Not every OutOfMemoryError: a larger runtime has no more metaspace, and the same GPU.
        # Nor exit code 137: Spark calls each "possible container OOM", and it may be an eviction.
        r"\A(?:(?:numpy\.[\w.]+\._Array)?MemoryError|java\.lang\.OutOfMemoryError: Java heap space)\b|\bOOMKilled\b",
        OUT_OF_MEMORY,
        "Request a larger runtime, or process less at once",
    ),
    Cause(
        rf"[\w.]*MemoryError\b|{_LOST_EXECUTOR}|\bSIGKILL\b|(?i:\bexit ?code|\bexited with code):? 137\b",
        PERHAPS_OUT_OF_MEMORY,
        "Request a larger runtime, or process less at once",
    ),
    Cause(
        rf"java\.nio\.file\.AccessDeniedException: s3|{_BOTO} \((?:AccessDenied|403)\) {_ON_S3}"
        r"|botocore\.exceptions\.NoCredentialsError|OSError: .*\bAWS Error ACCESS_DENIED\b",
        "no permission on S3",
        "Check the address, and that a storage integration of the organization allows this access",
    ),
    Cause(
        r"(?:OSError: \[Errno 28\]|java\.io\.IOException:) No space left on device",
        "disk full",
        "Raise sparkDriverDiskGB or sparkExecutorDiskGB in environment",
    ),
    Cause(
        # The local server has advice about PySpark and Sedona.
        r"ModuleNotFoundError: No module named '(?!pyspark\b|sedona\b)[\w.]+'|\bERROR: No matching distribution found"
        r" for \S+|java\.lang\.(?:ClassNotFoundException|NoClassDefFoundError): (?!org.apache.sedona\b)[\w./$]+",
        "missing package",
        "Add the package, wheel or JAR that has it to dependencies in environment, or correct its name or version",
    ),
    Cause(
        r"[\w.]*IllegalArgumentException: (?:requirement failed: )?(?:'?spark\.\w|System memory \d+ must be at least)"
        r"|[\w.]*(?:Exception|Error): \[(?:INVALID_DRIVER_MEMORY|CANNOT_MODIFY_\w*CONFIG)\b|Error: Could not create the"
        r" Java Virtual Machine|org\.apache\.spark\.SparkException: \w+(?: \w+)? must be a positive number",
        "wrong Spark configuration",
        "Correct or add the setting in sparkConfigs in environment",
    ),
)
# A statement has no environment.
OF_STATEMENTS = tuple(cause for cause in CAUSES if "environment" not in cause.advice)

_CLASS = r"(?:[\w.$]*(?:Error|Exception)|botocore\.errorfactory\.\w+)(?=:|\s*\Z)"
_LOST_TASK = r"org\.apache\.spark\.SparkException: Job aborted due to stage failure: [^:]*: Lost task [^:]*: "
_DIRECT_CAUSE = "The above exception was the direct cause"
_ERROR = re.compile(
    rf'(?:(?P<cause>Caused by: )|Exception in thread "[^"]*" |: )?(?:{_LOST_TASK}|\s+(?={_KILLED}))?'
    rf"(?P<text>{_CLASS}.*|{_LOST_EXECUTOR}.*|{_KILLED}|{_DIRECT_CAUSE})"
)
_KILLED_TASK = re.compile(rf"SparkException: Job aborted due to stage failure: .*\n{_LOST_EXECUTOR}.*\n\s+{_KILLED}\Z")
_ONLY_NOTICED = re.compile(
    r"py4j\.protocol\.|Connection(?:Reset|Refused)Error\b|.*\[JAVA_GATEWAY_EXITED\]|Error: A fatal exception has"
    r"|org\.apache\.spark\.SparkException: Job (?:\S+ )?cancelled because SparkContext was shut down"
    rf"|{_KILLED}"
)
"""What Python and Spark raise when the JVM has failed or ended: the exception before says why."""


class LastErrors:
    """The last lines of a log that name an exception, or link two."""

    __slots__ = ("_lines", "_lines_after")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._lines_after = 0

    def add(self, lines: Sequence[Line]) -> None:
        text = "\n".join([raw for _, raw in lines])
        # Few slices of a log have an error. These words are found faster than the pattern.
        if "rror" not in text and "xception" not in text and "OOMKilled" not in text:
            self._lines_after += text.count("\n") + 1 - text.count("\tat ")
            return
        for line in text.split("\n"):
            if _ERROR.match(line, 0, MAX_ERROR_CHARS):
                self._lines.append(make_plain(line[:MAX_ERROR_CHARS]))
                self._lines_after = 0
            # The stack trace of an exception may have hundreds of lines.
            elif "\tat " not in line:
                self._lines_after += 1
        del self._lines[:-MAX_ERRORS]

    @property
    def last(self) -> str:
        """The line that names the last exception, if that may have ended the program. Else empty."""
        return self._lines[-1] if self._lines and self._lines_after <= MAX_LINES_AFTER else ""

    def probable_cause(self, reason: str) -> Found | None:
        """The cause that the service's reason shows, or else these lines."""
        error = re.search(rf"(?<!\S){_CLASS}.*", reason, re.DOTALL)
        in_log = self._cause(CAUSES) if self.last else None
        for cause in CAUSES:
            if words := re.search(cause.pattern, reason[: error.start()] if error else reason):
                is_certain = cause.name == PERHAPS_OUT_OF_MEMORY and in_log and in_log.name == OUT_OF_MEMORY
                return in_log if is_certain else _found(cause, words[0])
        return (cause_in(error[0], CAUSES) if error else None) or in_log

    def _cause(self, causes: Sequence[Cause]) -> Found | None:
        if _KILLED_TASK.search("\n".join(self._lines)):
            return _found(CAUSES[0], _KILLED)
        counts = True
        for line in reversed(self._lines):
            error = _ERROR.match(line)
            if error is None or not (counts or error["text"] == _DIRECT_CAUSE):
                return None
            if _ONLY_NOTICED.match(error["text"]):
                continue
            for cause in causes:
                if re.match(cause.pattern, error["text"]):
                    return _found(cause, error["text"])
            counts = error["text"] == _DIRECT_CAUSE or error["cause"] is not None
        return None


def cause_in(message: str, causes: Sequence[Cause] = OF_STATEMENTS) -> Found | None:
    """The same for an engine's message about a statement. Only exceptions count, as it may quote the user's SQL."""
    errors = LastErrors()
    errors.add([("", message)])
    return errors._cause(causes)


def _found(cause: Cause, words: str) -> Found:
    # The query of a presigned URL is a secret.
    words = re.sub(r"(?<=[^\s?])\?[^\s?]*=\S*", "?…", words)
    seen = words if len(words) <= MAX_QUOTED_CHARS else f"{words[:MAX_QUOTED_CHARS]}…"
    return Found(cause.name, seen, cause.advice)


MAX_TAIL_CHARS = 4_000
MAX_LINES = 60
MAX_LINE_CHARS = 500
UNMARKED_LINES = 15
_MARKS = ("Traceback (most recent call last)", "Caused by: ")
_CHAINS = ("The above exception was the direct cause", "During handling of the above exception")
"""What Python writes between the traceback of a cause and the traceback of its consequence."""


class LogTail:
    """The newest lines of a log."""

    def __init__(self) -> None:
        # A list: an empty deque takes 760 bytes, and a triggerer holds thousands of tails.
        self._lines: list[str] = []

    def add(self, lines: Sequence[Line]) -> None:
        """Remember lines. Each is split at line breaks, and cut if too long."""
        for _, raw in lines[-MAX_LINES:]:
            for text in deque(split_lines(raw), MAX_LINES):
                self._lines.append(text if len(text) <= MAX_LINE_CHARS else f"{text[:MAX_LINE_CHARS]}…")
        del self._lines[:-MAX_LINES]

    def explain(self, error: str = "") -> str:
        """The lines from the last ``Traceback`` or ``Caused by:`` on, else the last 15; at most 4,000 safe characters.

        A traceback includes the tracebacks of its causes. If lines have to be left out, the first one stays.

        :param error: the line that names the log's last exception; without those marks the lines begin at or before it.
        """
        lines = [make_plain(text) for text in self._lines]
        start = max(0, len(lines) - UNMARKED_LINES)
        first = error
        marks = [index for index, text in enumerate(lines) if any(mark in text for mark in _MARKS)]
        if marks:
            start = marks.pop()
            while marks and any(chain in text for text in lines[max(0, start - 2) : start] for chain in _CHAINS):
                start = marks.pop()
            first = lines[start]
        elif named := [index for index, text in enumerate(lines) if error and text.startswith(error)]:
            start = min(start, named[-1])
        text = "\n".join(lines[start:])
        shown = text if len(text) <= MAX_TAIL_CHARS else f"…{text[-MAX_TAIL_CHARS:]}"
        return shown if first in shown else f"{first}\n…\n{text[len(first) + 2 - MAX_TAIL_CHARS :]}"
