"""The probable cause of a failure, recognized in the messages of Python, Spark, S3 clients and Kubernetes.

A wrong cause is worse than none. So only the exception that ended the program counts, with the exceptions that it names
as its causes; and an exception is a line that begins with the name of its class, not a text that mentions one. If the
JVM has ended, Python only notices that it no longer responds: then the exception before counts, if it can end a JVM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_wherobots.api.runs.models import Line
from airflow_provider_wherobots.logs.records import make_plain

SECTION = "Probable causes"
"""The section of docs/troubleshooting.md that has a row for each cause."""
MAX_ERRORS = 20
MAX_LINES_AFTER = 100
"""With more lines after its stack trace, an exception did not end the program. Spark logs about 20 while it ends."""
MAX_ERROR_CHARS = 500
MAX_QUOTED_CHARS = 150


@dataclass(frozen=True, slots=True)
class Cause:
    """A known cause.

    ``errors`` matches the beginning of an exception's line. ``reasons`` is searched for in the service's reason,
    before the first exception that it names. ``ends_jvm`` is whether a JVM with this cause may end without a response.
    """

    name: str
    advice: str
    errors: re.Pattern[str]
    reasons: re.Pattern[str] | None = None
    ends_jvm: bool = False


def _one_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_LOST_EXECUTOR = r"The executor with id \w+ exited with exit code"
_BOTO_CORE = r"botocore\.[\w.]+: An error occurred"
_ON_S3 = r"when calling the \w*(?:Object|Bucket|Multipart|UploadPart)\w* operation"
_S3_STATUS = r"[\w.]*S3Exception: .*\(Service: (?:Amazon )?S3[;,] Status Code:"
_SPARK_CONDITIONS = (
    "INVALID_CONF_VALUE|INVALID_SPARK_CONFIG|INVALID_(?:DRIVER|EXECUTOR)_MEMORY|CANNOT_MODIFY_\\w*CONFIG"
)

OF_RUNS_AND_STATEMENTS = (
    Cause(
        "out of memory",
        "Request a larger runtime, or process less at once",
        _one_of(r"[\w.]*MemoryError\b", rf"{_LOST_EXECUTOR} (?:137|52)\b"),
        reasons=_one_of(r"\bSIGKILL\b", r"\bOOMKilled\b", r"(?i:\bexit ?code|\bexited with code):? 137\b"),
        ends_jvm=True,
    ),
    Cause(
        "quota used up",
        "Run fewer at once with an Airflow pool, request less in runtime and disks, or ask Wherobots for more",
        _one_of(r"[\w.]*KubernetesClientException: .* is forbidden: exceeded quota\b"),
        reasons=_one_of(r"\bINSUFFICIENT_QUOTA_ERROR\b", r"\bis forbidden: exceeded quota\b"),
    ),
    Cause(
        "no permission on S3",
        "Check the address, and that a storage integration of the organization allows this access",
        _one_of(
            r"java\.nio\.file\.AccessDeniedException: s3",
            rf"{_S3_STATUS} 403\b",
            rf"{_BOTO_CORE} \((?:AccessDenied|403)\) {_ON_S3}",
            r"botocore\.exceptions\.NoCredentialsError",
            r"OSError: .*\bAWS Error ACCESS_DENIED\b",
        ),
    ),
    Cause(
        "S3 bucket in another region",
        "Run in the bucket's region, or set the region of the S3 client to it",
        _one_of(
            r"[\w.]*\.AWSRedirectException",
            rf"{_S3_STATUS} 301\b",
            rf"{_BOTO_CORE} \((?:PermanentRedirect|AuthorizationHeaderMalformed|301)\) {_ON_S3}",
            r"OSError: .*\bAWS Error .*\(HTTP status 301\)",
        ),
    ),
)
ONLY_OF_RUNS = (
    Cause(
        "disk full",
        "Raise sparkDriverDiskGB or sparkExecutorDiskGB in environment",
        _one_of(r"(?:OSError: \[Errno 28\]|java\.io\.IOException:) No space left on device"),
    ),
    Cause(
        "missing package",
        "Add the package, wheel or JAR that has it to dependencies in environment, or correct its name or version",
        _one_of(
            # The local server has advice about PySpark and Sedona.
            r"ModuleNotFoundError: No module named '(?!pyspark\b|sedona\b)[\w.]+'",
            r"java\.lang\.(?:ClassNotFoundException|NoClassDefFoundError): (?!org.apache.sedona\b)[\w./$]+",
        ),
        reasons=_one_of(r"\bERROR: No matching distribution found for \S+"),
    ),
    Cause(
        "wrong Spark configuration",
        "Correct or add the setting in sparkConfigs in environment",
        _one_of(
            r"[\w.]*IllegalArgumentException: (?:requirement failed: )?'?spark\.\w",
            r"[\w.]*IllegalArgumentException: System memory \d+ must be at least",
            rf"[\w.]*(?:Exception|Error): \[(?:{_SPARK_CONDITIONS})\b",
            r"org\.apache\.spark\.SparkException: \w+(?: \w+)? must be a positive number",
            r"Error: Could not create the Java Virtual Machine",
        ),
        ends_jvm=True,
    ),
)
CAUSES = (*OF_RUNS_AND_STATEMENTS, *ONLY_OF_RUNS)

# The query of a presigned URL is a secret.
_QUERY = re.compile(r"(?<=[^\s?])\?[^\s?]*=\S*")
_CLASS = r"(?:[\w.$]*(?:Error|Exception)|botocore\.errorfactory\.\w+)(?=:|\s*\Z)"
_LOST_TASK = r"org\.apache\.spark\.SparkException: Job aborted due to stage failure: [^:]*: Lost task [^:]*: "
_DIRECT_CAUSE = "The above exception was the direct cause"
_ERROR = re.compile(
    rf'(?:(?P<cause>Caused by: )|Exception in thread "[^"]*" |: )?(?:{_LOST_TASK})?'
    rf"(?P<text>{_CLASS}.*|{_LOST_EXECUTOR}.*|{_DIRECT_CAUSE})"
)
_ERROR_IN_REASON = re.compile(rf"(?<!\S){_CLASS}")
_JVM_HAS_ENDED = _one_of(
    r"py4j\.protocol\.(?:Py4JNetworkError|Py4JJavaError: <exception str\(\) failed>)",
    r"org\.apache\.spark\.SparkException: Job (?:\S+ )?cancelled because SparkContext was shut down",
    r".*\[JAVA_GATEWAY_EXITED\]",
    r"Error: A fatal exception has occurred\. Program will exit",
)
_ALSO_THEN = _one_of(r"py4j\.protocol\.Py4JJavaError\b", r"Connection(?:Reset|Refused)Error\b")
"""What else Python raises when the JVM has ended."""


class LastErrors:
    """The last lines of a log that name an exception, or link two."""

    __slots__ = ("_lines", "_lines_after")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._lines_after = 0

    def add(self, lines: Sequence[Line]) -> None:
        text = "\n".join([raw for _, raw in lines])
        errors = _errors_among(text)
        if errors:
            self._lines_after, text = -1, text.split("\n", max(errors))[-1]
        # The stack trace of an exception may have hundreds of lines.
        self._lines_after += text.count("\n") + 1 - text.count("\tat ")
        self._lines += errors.values()
        del self._lines[:-MAX_ERRORS]

    @property
    def last(self) -> str:
        """The line that names the last exception, if that may have ended the program. Else empty."""
        return self._lines[-1] if self._lines and self._lines_after <= MAX_LINES_AFTER else ""

    def probable_cause(self, reason: str) -> str:
        """One sentence: the cause that the service's reason shows, or else these lines, and what to do. Empty if it is
        not known.
        """
        return _describe(_from_reason(reason) or _from_errors(self._lines if self.last else []))


def cause_in(message: str) -> str:
    """The same for an engine's message about a statement. Only exceptions count, as it may quote the user's SQL."""
    return _describe(_from_errors([*_errors_among(message).values()], OF_RUNS_AND_STATEMENTS))


def _from_reason(reason: str) -> tuple[Cause, str] | None:
    first = _ERROR_IN_REASON.search(reason)
    before = reason if first is None else reason[: first.start()]
    for cause in CAUSES:
        if cause.reasons and (found := cause.reasons.search(before)):
            return cause, found[0]
    return None if first is None else _from_errors([*_errors_among(reason[first.start() :]).values()])


def _errors_among(text: str) -> dict[int, str]:
    """The last lines that name or link exceptions, by their numbers."""
    # Few slices of a log have an error. These words are found faster than the pattern.
    if "rror" not in text and "xception" not in text:
        return {}
    found = [(number, line) for number, line in enumerate(text.split("\n")) if _ERROR.match(line, 0, MAX_ERROR_CHARS)]
    return {number: make_plain(line[:MAX_ERROR_CHARS]) for number, line in found[-MAX_ERRORS:]}


def _from_errors(lines: Sequence[str], causes: Sequence[Cause] = CAUSES) -> tuple[Cause, str] | None:
    counts, jvm_has_ended = True, False
    for line in reversed(lines):
        if line.startswith(_DIRECT_CAUSE):
            counts = True
            continue
        if not counts or (error := _ERROR.match(line)) is None:
            return None
        text = error["text"]
        if _JVM_HAS_ENDED.match(text):
            jvm_has_ended = True
            continue
        for cause in causes:
            if cause.errors.match(text) and (cause.ends_jvm or not jvm_has_ended):
                return cause, text
        counts = error["cause"] is not None or (jvm_has_ended and _ALSO_THEN.match(text) is not None)
    return None


def _describe(found: tuple[Cause, str] | None) -> str:
    if found is None:
        return ""
    cause, words = found[0], _QUERY.sub("?…", found[1])
    seen = words if len(words) <= MAX_QUOTED_CHARS else f"{words[:MAX_QUOTED_CHARS]}…"
    return f'Probable cause: {cause.name} ({seen}). {cause.advice}; see "{SECTION}" in the documentation'
