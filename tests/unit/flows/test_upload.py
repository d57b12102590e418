"""The upload of a file, by script and virtual clock: what is sent, when, and what comes of every failure."""

import logging
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ErrorInfo,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResponseError,
    ResponseLostError,
    ServerError,
)
from airflow_provider_wherobots.api.runs.models import Run, RunPage
from airflow_provider_wherobots.api.storage import Organization, PresignedUrl, refusal
from airflow_provider_wherobots.files import FileChangedError, FileSource, LocalFile
from airflow_provider_wherobots.flows.submit import submit_run
from airflow_provider_wherobots.flows.upload import (
    FileUploads,
    NoStorageError,
    UploadFailedError,
    find_shared_folder,
    upload,
)
from airflow_provider_wherobots.io.base import Flow, Note
from airflow_provider_wherobots.io.worker import FlowStoppedError
from airflow_provider_wherobots.runs.memory import Memory, Past
from airflow_provider_wherobots.runs.run_name import Identity
from tests.unit.flows.script import Answer, Script, always

PREFIX = "s3://bucket/up"
ASK, PUT = "createUploadUrl", "putObject"
URI = ("runPython", "uri")
FILES = ("environment", "dependencies", 0, "filePath")
END = f"{sha256(b'print(1)' + bytes([10])).hexdigest()[:32]}/stats.py"
ADVICE_OF_403 = "the API key must be allowed to write there; upload_to can name another folder"
ADVICE_OF_404 = (
    "upload_to must be a folder in the organization's managed storage, or in a bucket that is one of its storage "
    "integrations"
)
NAME_IT = "set upload_to, of the task or of the connection, to the S3 address of a folder for uploads"

T = TypeVar("T")


class Storage:
    """The service's storage, and the host behind its URLs.

    :param puts: what happens to each upload, in order: nothing, or an error; further ones succeed.
    """

    def __init__(self, *puts: Exception | None) -> None:
        self.puts = list(puts)
        self.failures: dict[str, list[Exception]] = {}
        self.objects: dict[str, bytes] = {}
        self.urls = 0

    def __call__(self, call: Call[Any], moment: float) -> Any:
        if self.failures.get(call.operation):
            raise self.failures[call.operation].pop(0)
        if call.operation == "getMyOrganization":
            return Organization("org1", "managed")
        (value,) = (value for _, value in call.params)
        assert call.operation == ASK
        self.urls += 1
        return PresignedUrl(f"https://host/{value}?n={self.urls}")

    def put(self, url: PresignedUrl, file: LocalFile) -> None:
        if self.puts and (error := self.puts.pop(0)) is not None:
            raise error
        self.objects[url.value.removeprefix("https://host/").partition("?")[0]] = b"".join(file.pieces())


class UploadScript(Script):
    """Performs uploads too, into the storage, and notes them among the operations.

    :param storage: the storage.
    :param answer: answers the other calls; default the storage.
    """

    def __init__(self, storage: Storage, answer: Answer | None = None) -> None:
        super().__init__(answer or storage)
        self.storage = storage
        self.order: list[str] = []

    async def upload(self, url: PresignedUrl, file: LocalFile) -> None:
        self._check_not_stopped()
        self.order.append(PUT)
        self.moment += 1
        self.storage.put(url, file)

    async def send_once(self, call: Call[T], timeout: float | None = None) -> T:
        self.order.append(call.operation)
        return await super().send_once(call, timeout)


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    path = tmp_path / "stats.py"
    path.write_text("print(1)\n")
    return FileSource("run_python['uri']", "jobs/stats.py", path)


def forbidden() -> ResponseError:
    error = refusal(403, {}, b"<Code>AccessDenied</Code>")
    assert error is not None
    return error


def down() -> ServerError:
    return ServerError(PUT, 503, excerpt="SlowDown")


def test_an_upload(source: FileSource) -> None:
    storage = Storage()
    script = UploadScript(storage)
    address = script.run(upload, source, PREFIX)
    assert script.order == [ASK, PUT]
    assert script.notes == [Note(logging.INFO, f"Uploaded jobs/stats.py to {address} (9 bytes)")]
    assert storage.objects == {address.removeprefix("s3://"): b"print(1)\n"}


def test_one_line_says_what_of_a_folder_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "geo"
    folder.mkdir()
    for name in ("area.py", ".env", *(f".{number}" for number in range(5))):
        (folder / name).touch()
    script = UploadScript(Storage())
    script.run(upload, FileSource("x", "lib/geo", folder, may_be_folder=True), PREFIX)
    assert script.notes[1:] == [
        Note(logging.INFO, "Left out of lib/geo, because their names begin with a dot: .0, .1, .2, .3, .4 and 1 more")
    ]
    script = UploadScript(Storage())
    (folder / ".env").unlink()
    script.run(upload, FileSource("x", "lib/geo", folder, may_be_folder=True), PREFIX)
    assert script.notes[1].text == "Left out of lib/geo, because their names begin with a dot: .0, .1, .2, .3, .4"


def test_a_403_is_repeated_once_with_a_new_url(source: FileSource) -> None:
    script = UploadScript(Storage(forbidden()))
    script.run(upload, source, PREFIX)
    assert script.order == [ASK, PUT, ASK, PUT]
    assert script.sleeps == []
    assert script.notes[0] == Note(
        logging.WARNING, "Uploading the file failed: 403: AccessDenied; retrying with a new URL"
    )
    assert "n=" not in "".join(note.text for note in script.notes)

    script = UploadScript(Storage(forbidden(), down(), forbidden()))
    with pytest.raises(UploadFailedError) as caught:
        script.run(upload, source, PREFIX)
    assert str(caught.value) == (
        f"jobs/stats.py could not be uploaded to {PREFIX}/{END} (403: AccessDenied); {ADVICE_OF_403}"
    )
    assert script.order == [ASK, PUT, ASK, PUT, ASK, PUT]
    assert not caught.value.transient


@pytest.mark.parametrize("error", [down(), ResponseLostError(PUT, "reset"), ServerError(PUT, 500)])
def test_a_transient_failure_is_repeated_with_a_new_url(source: FileSource, error: Exception) -> None:
    script = UploadScript(Storage(error, error, error))
    script.run(upload, source, PREFIX)
    assert script.order == [ASK, PUT] * 4
    assert script.sleeps == [1.0, 2.0, 4.0]


def test_a_key_that_is_refused_for_a_moment_delays_the_upload(source: FileSource) -> None:
    storage, refused = Storage(), AuthenticationError(ASK, 401)
    storage.failures = {"getMyOrganization": [refused] * 3, ASK: [refused] * 3}
    script = UploadScript(storage)
    script.run(upload, source, None)
    assert script.order == ["getMyOrganization"] * 4 + [ASK] * 4 + [PUT]


def test_an_outage_has_an_end(source: FileSource) -> None:
    of_payload = FileUploads({URI: source}, PREFIX, 100)
    flows: tuple[Flow[[], Any], ...] = (
        lambda io: upload(io, source, PREFIX, 100),
        lambda io: of_payload.upload(io, {}),
        lambda io: find_shared_folder(io, 100),
    )
    for flow in flows:
        storage = Storage(*[down()] * 1000)
        storage.failures["getMyOrganization"] = [down()] * 1000
        script = UploadScript(storage)
        with pytest.raises(UploadFailedError, match="503: SlowDown") as caught:
            script.run(flow)
        assert caught.value.transient
        assert 100 <= script.elapsed < 110


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            BadRequestError(ASK, 400, (ErrorInfo("BAD_REQUEST_ERROR", "No storage source found for bucket x"),)),
            f"400 BAD_REQUEST_ERROR: No storage source found for bucket x); {ADVICE_OF_404}",
        ),
        (BadRequestError(ASK, 400), "400: no body)"),
        (
            AuthenticationError(ASK, 401, excerpt="no storage"),
            "connection 'script': the API key is refused (Uploading the file failed: 401: no storage))",
        ),
        (NotFoundError(ASK, 404), f"404: no body); {ADVICE_OF_404}"),
        (PermissionDeniedError(ASK, 403), f"403: no body); {ADVICE_OF_403}"),
    ],
)
def test_a_refused_url_says_what_to_do(source: FileSource, error: Exception, advice: str) -> None:
    is_of_key = isinstance(error, AuthenticationError | PermissionDeniedError)
    storage = Storage()
    storage.failures[ASK] = [error] * 99
    script = UploadScript(storage)
    with pytest.raises(UploadFailedError) as caught:
        script.run(upload, source, PREFIX)
    assert set(script.order) == {ASK}
    assert script.elapsed == pytest.approx(60 if is_of_key else 0, abs=1)
    assert caught.value.key_may_change is is_of_key
    assert str(caught.value) == f"jobs/stats.py could not be uploaded to {PREFIX}/{END} ({advice}"


def test_a_file_that_changes_is_read_again_three_times_at_most(source: FileSource) -> None:
    changed = FileChangedError("jobs/stats.py has changed while it was uploaded")
    script = UploadScript(Storage(changed))
    script.run(upload, source, PREFIX)
    assert script.order == [ASK, PUT] * 2
    assert script.said("reading it again")[0].level == logging.WARNING
    script = UploadScript(Storage(*[changed] * 3))
    with pytest.raises(InvalidArgumentError, match="kept changing"):
        script.run(upload, source, PREFIX)


def test_one_missing_file_among_several_sends_nothing(source: FileSource) -> None:
    missing = FileSource("x", "table.json", source.path.with_name("table.json"))
    for prefix in (PREFIX, None):
        script = UploadScript(Storage())
        with pytest.raises(InvalidArgumentError, match=r"^x='table.json': there is no file"):
            script.run(FileUploads({URI: source, FILES: missing}, prefix).upload, {})
        assert script.order == []


def test_the_default_folder_is_the_organizations() -> None:
    assert UploadScript(Storage()).run(find_shared_folder) == "s3://managed/org1/data/shared/airflow-uploads"


def test_without_a_view_of_the_organization_upload_to_is_needed(source: FileSource) -> None:
    storage = Storage()
    storage.failures["getMyOrganization"] = [PermissionDeniedError("getMyOrganization", 403)] * 99
    with pytest.raises(UploadFailedError) as caught:
        UploadScript(storage).run(upload, source, None)
    assert str(caught.value) == (f"The organization's storage could not be found (403: no body); {NAME_IT}")


def test_an_organization_without_storage(source: FileSource) -> None:
    script = UploadScript(Storage(), lambda call, moment: Organization("org1", None))
    with pytest.raises(NoStorageError) as caught:
        script.run(upload, source, None)
    assert str(caught.value) == f"The organization has no managed storage; {NAME_IT}"
    assert caught.value.operation == "getMyOrganization"


def test_several_files_ask_for_the_folder_once(source: FileSource, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text("{}")
    payload = {
        "runPython": {"uri": "jobs/stats.py"},
        "environment": {"dependencies": [{"sourceType": "FILE", "filePath": "table.json"}]},
    }
    script = UploadScript(Storage())
    sent = script.run(FileUploads({URI: source, FILES: FileSource("x", "table.json", table)}).upload, payload)
    assert script.order == ["getMyOrganization", *[ASK, PUT] * 2]
    assert sent["runPython"]["uri"].endswith("/stats.py")
    assert sent["environment"]["dependencies"][0]["filePath"].endswith("/table.json")
    assert payload["runPython"] == {"uri": "jobs/stats.py"}


@pytest.mark.parametrize(
    ("there", "compared_to"),
    [
        (f"s3://elsewhere/{END}", f"s3://elsewhere/{END}"),
        (f"s3://elsewhere/x{END}", "jobs/stats.py"),
        ("s3://elsewhere/old/stats.py", "jobs/stats.py"),
        (None, "jobs/stats.py"),
    ],
)
def test_a_body_to_compare_sends_nothing(source: FileSource, there: str | None, compared_to: str) -> None:
    missing = FileSource("x", "table.json", source.path.with_name("table.json"))
    files = {"environment": {"dependencies": [{"sourceType": "FILE", "filePath": "table.json"}]}}
    script = UploadScript(Storage())
    echoed = {"runPython": {"uri": there}} if there else {}
    compared = script.run(
        FileUploads({FILES: missing, URI: source}).compare, {"runPython": {"uri": "jobs/stats.py"}} | files, echoed
    )
    assert compared == {"runPython": {"uri": compared_to}} | files
    no_file = f"x='table.json': there is no file {missing.path} on the worker; an address in S3 begins with s3://"
    assert script.notes == [Note(logging.WARNING, no_file)]
    assert script.order == []


def test_no_upload_after_a_stop(source: FileSource) -> None:
    """A kill while it asks for a URL: no upload and no create request follows."""

    class Killed(UploadScript):
        async def _exchange(self, call: Call[T], connect_timeout: float, read_timeout: float) -> T:
            answer = await super()._exchange(call, connect_timeout, read_timeout)
            self.stopped = True
            return answer

    script = Killed(Storage())
    payload = {"name": "n-0123456789abcd", "runPython": {}}
    with pytest.raises(FlowStoppedError):
        script.run(submit_run, payload, uploads=FileUploads({URI: source}, PREFIX))
    assert script.order == [ASK]


def test_a_retry_re_attaches_without_a_warning_to_a_run_whose_file_was_uploaded_elsewhere(source: FileSource) -> None:
    name, there = "n-0123456789abcd", {"runPython": {"uri": f"s3://elsewhere/{END}"}}
    run = Run.from_json({"id": "r1", "name": name, "status": "RUNNING", "payload": there})
    script = UploadScript(Storage(), always(RunPage((run,))))
    payload = {"name": name, "runPython": {"uri": "jobs/stats.py"}}
    memory = Memory(Identity("012345", "6789abcd"), 0, Past.KNOWN, has_looked=True)
    script.run(submit_run, payload, memory=memory, uploads=FileUploads({URI: source}, PREFIX))
    assert [note.level for note in script.notes] == [logging.INFO]
