"""A wheel and a JAR that are made here, so that no compiler and no package index is needed."""

from __future__ import annotations

import struct
import zipfile
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
            jar.writestr("Echo.class", _class_file("Echo", _CODE, _POOL))


def _class_file(name: str, code: bytes, pool: list[bytes]) -> bytes:
    """A class with ``public static void main(String[])``; the pool's first five entries are what every one needs."""
    base = [_utf8(name), b"\x07" + _u2(1), _utf8("java/lang/Object"), b"\x07" + _u2(3), _utf8("main")]
    base += [_utf8("([Ljava/lang/String;)V"), _utf8("Code")]
    attribute = _u2(4) + _u2(2) + struct.pack(">I", len(code)) + code + _u2(0) + _u2(0)
    method = _u2(0x0009) + _u2(5) + _u2(6) + _u2(1) + _u2(7) + struct.pack(">I", len(attribute)) + attribute
    entries = base + pool
    head = b"\xca\xfe\xba\xbe" + _u2(0) + _u2(49) + _u2(len(entries) + 1) + b"".join(entries)
    return head + _u2(0x0021) + _u2(2) + _u2(4) + _u2(0) + _u2(0) + _u2(1) + method + _u2(0)


def _u2(number: int) -> bytes:
    return struct.pack(">H", number)


def _utf8(text: str) -> bytes:
    return b"\x01" + _u2(len(text)) + text.encode()


def _reference(kind: int, owner: int, name_and_type: int) -> bytes:
    return bytes([kind]) + _u2(owner) + _u2(name_and_type)


# Entries 8 and up: System.out, PrintStream.println(String), Integer.parseInt(String), System.exit(int).
_POOL = [
    *(_utf8("java/lang/System"), b"\x07" + _u2(8), _utf8("out"), _utf8("Ljava/io/PrintStream;")),
    *(b"\x0c" + _u2(10) + _u2(11), _reference(9, 9, 12)),
    *(_utf8("java/io/PrintStream"), b"\x07" + _u2(14), _utf8("println"), _utf8("(Ljava/lang/String;)V")),
    *(b"\x0c" + _u2(16) + _u2(17), _reference(10, 15, 18)),
    *(_utf8("java/lang/Integer"), b"\x07" + _u2(20), _utf8("parseInt"), _utf8("(Ljava/lang/String;)I")),
    *(b"\x0c" + _u2(22) + _u2(23), _reference(10, 21, 24)),
    *(_utf8("exit"), _utf8("(I)V"), b"\x0c" + _u2(26) + _u2(27), _reference(10, 9, 28)),
]
# System.out.println(args[0]); System.exit(Integer.parseInt(args[1]));
_CODE = bytes.fromhex("b2 000d 2a 03 32 b6 0013 2a 04 32 b8 0019 b8 001d b1")
