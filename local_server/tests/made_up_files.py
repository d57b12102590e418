"""A wheel and a JAR that are made here, so that no compiler and no package index is needed."""

import zipfile
from base64 import b64decode
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str) -> None:
    """Make a wheel with one module, which has the constant ``VERSION``."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def make_endless_package(folder: Path, name: str, told: Path) -> None:
    """Make a package whose build never ends. It begins with writing its process id into a file."""
    backend = f"""
import os, pathlib, time
pathlib.Path({str(told)!r}).write_text(f"{{os.getpid()}} ")
def prepare_metadata_for_build_wheel(*_, **__):
    time.sleep(600)
build_wheel = prepare_metadata_for_build_wheel
"""
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    with zipfile.ZipFile(folder / f"{name}-1.0.zip", "w") as archive:
        archive.writestr(f"{name}-1.0/backend.py", backend)
        archive.writestr(f"{name}-1.0/pyproject.toml", project)


MANIFEST = "Manifest-Version: 1.0\r\n"


def make_jar(path: Path, *, manifest: str = MANIFEST, has_class: bool = True) -> None:
    """Make a JAR. Its class ``Echo`` prints its first argument and exits with its second.

    :param manifest: the text of its manifest. Default: one that names no main class.
    :param has_class: whether the class is in it. Default: True.
    """
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", manifest)
        if has_class:
            jar.writestr("Echo.class", _ECHO)


# public class Echo {
#     public static void main(String[] args) {
#         System.out.println(args[0]);
#         System.exit(Integer.parseInt(args[1]));
#     }
# }
_ECHO = b64decode(
    "yv66vgAAADEAHgEABEVjaG8HAAEBABBqYXZhL2xhbmcvT2JqZWN0BwADAQAEbWFpbgEAFihbTGphdmEvbGFuZy9TdHJpbmc7KVYBAARDb2RlAQAQ"
    "amF2YS9sYW5nL1N5c3RlbQcACAEAA291dAEAFUxqYXZhL2lvL1ByaW50U3RyZWFtOwwACgALCQAJAAwBABNqYXZhL2lvL1ByaW50U3RyZWFtBwAO"
    "AQAHcHJpbnRsbgEAFShMamF2YS9sYW5nL1N0cmluZzspVgwAEAARCgAPABIBABFqYXZhL2xhbmcvSW50ZWdlcgcAFAEACHBhcnNlSW50AQAVKExq"
    "YXZhL2xhbmcvU3RyaW5nOylJDAAWABcKABUAGAEABGV4aXQBAAQoSSlWDAAaABsKAAkAHAAhAAIABAAAAAAAAQAJAAUABgABAAcAAAAfAAQAAgAA"
    "ABOyAA0qAzK2ABMqBDK4ABm4AB2xAAAAAAAA"
)
