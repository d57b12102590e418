"""The folder of a run, and its dependencies."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TextIO

from wherobots_local.api.requests import FileDependency
from wherobots_local.execution.spark import (
    PORT,
    free_port,
    server_settings,
    ui_port,
    user_conf_folder,
    with_jars,
    write_conf_folder,
)
from wherobots_local.execution.virtual_environments import PrepareError
from wherobots_local.storage import OWN_FOLDER, RUNS_FOLDER, StorageError, local_path

_TEMPORARY = "wl-"


@dataclass
class Workspace:
    """The folders of a run and its dependencies. ``home`` is shared by all runs, and is not the user's.
    ``temporary`` leads to its ``tmp`` by a short path: a socket's may have 107 characters, and Python's
    ``multiprocessing`` puts sockets there. ``spark_ui_port`` is 0 if it is unknown."""

    root: Path
    folder: Path
    home: Path
    temporary: Path
    python_path: list[Path] = field(default_factory=list)
    class_path: list[Path] = field(default_factory=list)
    spark_ui_port: int = 0

    @property
    def spark_conf(self) -> Path:
        return self.folder / "spark-conf"

    @property
    def jvm_temporary(self) -> Path:
        """For the temporary files of its JVMs. They can be large, and a killed JVM leaves them behind."""
        return self.folder / "tmp" / "jvm"


def own_folder(root: Path) -> Path:
    """Create the server's own folder under the root, closed to other users and ignored by git."""
    folder = root / OWN_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    ignored = folder / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")
    return folder


def locked(folder: Path) -> TextIO:
    """Return the open lock file of a server's own folder; its end, and that of the process, is the lock's end.

    :raises BlockingIOError: if another server has the lock.
    """
    file = (folder / "server.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def make_workspace(root: Path, run_id: str) -> Workspace:
    own = own_folder(root)
    home, folder = own / "home", own / RUNS_FOLDER / run_id
    for made in (home, folder / "tmp", folder / "files"):
        made.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY), "tmp")
    temporary.symlink_to(folder / "tmp")
    return Workspace(root=root, folder=folder, home=home, temporary=temporary)


def remove_temporary_of_killed(root: Path) -> None:
    """Remove what runs of a server on this root, or on a root that is gone, have left in the temporary folder."""
    runs = root / OWN_FOLDER / RUNS_FOLDER
    for link in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*/tmp"):
        with contextlib.suppress(OSError):
            target = link.readlink()
            if target.is_relative_to(runs) or (OWN_FOLDER in target.parts and not target.exists()):
                link.unlink()
                link.parent.rmdir()


def add_files(workspace: Workspace, files: Sequence[FileDependency]) -> None:
    """Add the FILE dependencies of a run. Raises ``PrepareError`` if one cannot be read."""
    for dependency in files:
        try:
            name = PurePosixPath(dependency.file_path.strip()).name
            _add_file(workspace, local_path(workspace.root, dependency.file_path), name)
        except StorageError as error:
            raise PrepareError(f"The file dependency {error}") from None
        except (OSError, zipfile.BadZipFile) as error:
            raise PrepareError(f"The file dependency {dependency.file_path} cannot be read: {error}") from None


def add_spark_settings(workspace: Workspace, settings: Mapping[str, str], own: Mapping[str, str]) -> None:
    """Write the run's Spark configuration."""
    port = free_port()
    workspace.spark_ui_port = ui_port(settings, port)
    workspace.jvm_temporary.mkdir(exist_ok=True)
    # The port after the user's defaults: several runs cannot share one.
    merged = with_jars({PORT: str(port), **settings}, workspace.class_path)
    defaults = server_settings(workspace.root, workspace.folder, workspace.jvm_temporary)
    write_conf_folder(workspace.spark_conf, merged, user_conf_folder(own), defaults)


def remove_temporary(workspace: Workspace) -> None:
    shutil.rmtree(workspace.jvm_temporary, ignore_errors=True)
    shutil.rmtree(workspace.temporary.parent, ignore_errors=True)


def _add_file(workspace: Workspace, path: Path, name: str) -> None:
    """Add a file by its name in storage, which can be that of a link."""
    ending = PurePosixPath(name).suffix.lower()
    if ending == ".jar":
        workspace.class_path.append(path)
    elif ending == ".zip":
        workspace.python_path.append(path)
    elif ending == ".whl":
        # Unpacked, so that packages with data files or compiled modules work too.
        target = workspace.folder / "wheels" / path.stem
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(target)
        workspace.python_path.append(target)
    else:
        shutil.copy(path, workspace.folder / "files" / name)
