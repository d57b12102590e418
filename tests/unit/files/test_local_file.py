"""What may be uploaded, and how its bytes are read; a folder is the same zip file wherever and whenever it is made."""

import hashlib
import io
import os
import shutil
import zipfile
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.files import (
    PIECE_BYTES,
    ArchiveError,
    FileChangedError,
    FileSource,
    absolute,
    open_file,
    write_archive,
)

LIMIT = 10_000_000
NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=6)


def source(path: Path, root: Path | None = None, *, given: str = "given", is_dependency: bool = True) -> FileSource:
    endings = (".whl", ".zip") if is_dependency else ()
    return FileSource("argument", given, path, root, is_dependency, endings)


def archive(folder: Path) -> bytes:
    out = io.BytesIO()
    write_archive(folder, out, LIMIT)
    return out.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(
        st.tuples(NAMES, NAMES).map(lambda pair: f"d_{pair[0]}/{pair[1]}.py"), st.binary(), min_size=1
    ),
    order=st.randoms(use_true_random=False),
    times=st.lists(st.integers(10**8, 2 * 10**9), min_size=1),
)
def test_the_same_files_are_the_same_archive(
    files: dict[str, bytes], order: object, times: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Made in another order, at other times, with other modes, beside what does not count."""
    files = {name.lower(): content for name, content in files.items()}
    first = write(tmp_path_factory.mktemp("a") / "lib", files)
    shuffled = list(files)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    second = write(tmp_path_factory.mktemp("b") / "lib", {name: files[name] for name in shuffled})
    for number, name in enumerate(shuffled):
        os.utime(second / name, (times[number % len(times)],) * 2)
        (second / name).chmod(0o755)
    write(second, {"__pycache__/x.pyc": b"x", ".git/HEAD": b"y", "stale.pyc": b"z", "d/__pycache__/a.txt": b"z"})
    assert archive(first) == archive(second)
    assert open_file(source(first)).sha256 == open_file(source(second)).sha256
    with zipfile.ZipFile(io.BytesIO(archive(first))) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == files
        assert opened.testzip() is None


def test_what_begins_with_a_dot_is_left_out_and_named(tmp_path: Path) -> None:
    """Such as the secrets of a developer's ``.env``."""
    hidden = {".env": b"KEY=x", "sub/.secret.json": b"{}", ".venv/lib/a.py": b"", "sub/.ssh/id": b"x"}
    folder = write(tmp_path / "geo", {"area.py": b"", "sub/a.b.py": b""} | hidden)
    (folder / ".link").symlink_to(tmp_path)
    file = open_file(source(folder))
    with zipfile.ZipFile(io.BytesIO(b"".join(file.pieces()))) as opened:
        assert opened.namelist() == ["area.py", "sub/a.b.py"]
    assert file.left_out == (".env", ".link", ".venv", "sub/.secret.json", "sub/.ssh")


def test_a_folder_or_a_file_that_is_named_itself_may_begin_with_a_dot(tmp_path: Path) -> None:
    write(tmp_path / ".geo", {"area.py": b"", ".lib.zip": b"x"})
    assert open_file(source(tmp_path / ".geo")).name == ".geo.zip"
    assert open_file(source(tmp_path / ".geo" / ".lib.zip")).left_out == ()


def test_a_folder_is_read_once_however_often_it_is_sent(tmp_path: Path) -> None:
    folder = write(tmp_path / "geo", {"area.py": bytes(1_000_000), "b.py": b"1"})
    file = open_file(source(folder))
    shutil.rmtree(folder)
    started = file.pieces()
    first = next(started)
    sent = b"".join(file.pieces())
    assert hashlib.sha256(sent).hexdigest() == file.sha256
    # An upload that was broken off may still be reading.
    assert first + b"".join(started) == sent


def test_a_package_can_be_imported_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write(tmp_path / "geo_of_a_test", {"__init__.py": b"", "area.py": b"def area(): return 42\n"})
    file = open_file(source(package))
    assert file.name == "geo_of_a_test.zip"
    path = tmp_path / "elsewhere.zip"
    path.write_bytes(b"".join(file.pieces()))
    monkeypatch.syspath_prepend(path)
    assert import_module("geo_of_a_test.area").area() == 42


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: None, "contains no file"),
        (lambda folder: write(folder, {"__pycache__/a.pyc": b""}), "contains no file"),
        (lambda folder: write(folder, {".env": b""}), r"contains no file \(names that begin with a dot are left out\)"),
        (lambda folder: (folder / "loop").symlink_to(folder), "'loop' is a link to a folder"),
        (lambda folder: (folder / "gone").symlink_to("nowhere"), "'gone' is neither a file nor a link to one"),
        (lambda folder: os.mkfifo(folder / "pipe"), "'pipe' is neither a file"),
        (lambda folder: (folder / "a\nb").touch(), "contains a control character"),
        (lambda folder: write(folder, {"a": bytes(LIMIT), "b": b"x"}), "has more than 10,000,000 bytes"),
    ],
)
def test_what_cannot_be_an_archive(prepare: object, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    prepare(folder)  # type: ignore[operator]
    with pytest.raises(ArchiveError, match=words):
        archive(folder)


@pytest.mark.parametrize("ending", ["", "/", "/.", "/sub/.."])
def test_a_folder_has_one_name_however_it_is_given(ending: str, tmp_path: Path) -> None:
    write(tmp_path / "geo" / "sub", {"x.py": b""})
    assert open_file(source(absolute(tmp_path, f"geo{ending}"))).name == "geo.zip"


def test_a_relative_path_may_leave_its_folder_but_not_the_root(tmp_path: Path) -> None:
    root = write(tmp_path / "bundle", {"a/dag.py": b"", "shared/x.zip": b"x"})
    write(tmp_path, {"outside.zip": b"secret"})
    assert open_file(source(absolute(root / "a", "../shared/x.zip"), root)).size == 1
    (root / "a" / "inside.zip").symlink_to(root / "shared" / "x.zip")
    assert open_file(source(root / "a" / "inside.zip", root)).name == "inside.zip"
    (root / "a" / "link.zip").symlink_to(tmp_path / "outside.zip")
    for path in (absolute(root / "a", "../../outside.zip"), root / "a" / "link.zip"):
        with pytest.raises(InvalidArgumentError, match="leads out of the DAG bundle"):
            open_file(source(path, root))
    # A bundle may itself be behind a link, as git-sync's is.
    (tmp_path / "current").symlink_to(root)
    assert open_file(source(tmp_path / "current" / "shared" / "x.zip", tmp_path / "current")).size == 1


def test_a_file_in_a_zip_file_is_refused_and_one_beside_it_is_found(tmp_path: Path) -> None:
    """A DAGs folder may contain zip files with DAG files. The folder of such a DAG file is the zip file."""
    root = write(tmp_path / "bundle", {"jobs/stats.py": b"1"})
    write(tmp_path, {"secret.py": b""})
    team = root / "team.zip"
    with zipfile.ZipFile(team, "w") as opened:
        opened.writestr("dag.py", "")
        opened.writestr("jobs/stats.py", "print(1)")
    for path in ("jobs/stats.py", str(team / "jobs" / "stats.py"), "jobs/none.py"):
        with pytest.raises(InvalidArgumentError) as caught:
            open_file(source(absolute(team, path), root, given=path, is_dependency=False))
        assert str(caught.value) == (
            f"argument={path!r}: leads into the zip file {team}, and no file of a zip file is uploaded; "
            "put the file next to the zip file, and give its path as '../name'"
        )
    assert open_file(source(absolute(team, "../jobs/stats.py"), root, is_dependency=False)).size == 1
    with pytest.raises(InvalidArgumentError, match="leads out of the DAG bundle"):
        open_file(source(absolute(team, "../../secret.py"), root, is_dependency=False))


def test_a_link_in_a_folder_must_not_lead_out_of_the_root_either(tmp_path: Path) -> None:
    root = write(tmp_path / "bundle", {"geo/__init__.py": b"", "shared/x.py": b"1"})
    write(tmp_path, {"secret.py": b"secret"})
    (root / "geo" / "x.py").symlink_to("../shared/x.py")
    size = open_file(source(root / "geo", root)).size
    (root / "geo" / "y.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(InvalidArgumentError, match=r"^argument='given': 'y\.py' is a link that leads out of the DAG "):
        open_file(source(root / "geo", root))
    # An absolute path may lie anywhere, and what it leads to.
    assert open_file(source(root / "geo")).size > size


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root every file can be read, so the system's refusal is made here."""
    path = tmp_path / "x.zip"
    path.touch()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InvalidArgumentError, match=r"x\.zip cannot be read on the worker \(Permission denied\)"):
        open_file(source(path))


def test_a_dependency_that_is_a_file_has_an_ending(tmp_path: Path) -> None:
    (tmp_path / "geo").touch()
    with pytest.raises(InvalidArgumentError, match=r"must be a folder, or end in one of \.whl, \.zip"):
        open_file(source(tmp_path / "geo"))


def test_the_last_piece_does_not_come_if_the_file_has_grown_by_another_one(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"a" * PIECE_BYTES)
    file = open_file(source(path))
    path.write_bytes(b"b" * PIECE_BYTES + b"c")
    with pytest.raises(FileChangedError):
        next(file.pieces())


def test_the_last_piece_waits_for_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(bytes(1_000_000))
    file = open_file(source(path))
    assert b"".join(file.pieces()) == bytes(1_000_000)
    pieces = file.pieces()
    read = [next(pieces)]
    with path.open("r+b") as changed:
        changed.seek(999_999)
        changed.write(b"x")
    with pytest.raises(FileChangedError):
        read.extend(pieces)
    assert sum(map(len, read)) < 1_000_000
