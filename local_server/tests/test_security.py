"""Who is let in, and which files an address can reach."""

import re
from pathlib import Path

import pytest

from wherobots_local.security import ApiKey, HostCheck
from wherobots_local.settings import ServerSettings, SettingsError
from wherobots_local.storage import StorageError, local_path


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({"x-api-key": "secret"}, True),
        ({"x-api-key": " secret "}, True),
        ({"authorization": "Bearer secret"}, True),
        ({"authorization": "bearer secret"}, True),
        ({"authorization": "Basic secret"}, False),
        ({"authorization": "secret"}, False),
        ({"x-api-key": "secre"}, False),
        ({"x-api-key": "secrét"}, False),
        ({"x-api-key": ""}, False),
        ({}, False),
    ],
)
def test_keys(headers: dict[str, str], admitted: bool) -> None:
    assert ApiKey("secret").admits(headers) is admitted


def test_a_key_is_made_where_none_is_given_and_never_shown() -> None:
    first, second = ApiKey(), ApiKey()
    assert first.generated
    assert first.value != second.value
    assert len(first.value) >= 32
    assert first.value not in repr(first)


def test_a_rotated_key_replaces_the_old_one() -> None:
    key = ApiKey("old")
    key.rotate("new")
    assert (key.admits({"x-api-key": "old"}), key.admits({"x-api-key": "new"})) == (False, True)


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("127.0.0.1:8765", True),
        ("localhost:8765", True),
        ("LOCALHOST:8765", True),
        ("[::1]:8765", True),
        ("127.0.0.1", False),
        ("127.0.0.1:8766", False),
        ("evil.example:8765", False),
        ("localhost.evil.example:8765", False),
        ("10.0.0.1:8765", False),
        ("localhost:8765:8765", False),
        ("[::1", False),
        ("", False),
        (None, False),
    ],
)
def test_hosts(host: str | None, admitted: bool) -> None:
    assert HostCheck("127.0.0.1", 8765).admits(host, default_port=80) is admitted


def test_hosts_of_a_remote_server() -> None:
    check = HostCheck("0.0.0.0", 80, remote=True, names=["Jobs.example"])  # noqa: S104 - only compared
    assert check.admits("10.0.0.1", default_port=80)
    assert check.admits("jobs.example", default_port=80)
    assert not check.admits("evil.example", default_port=80)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - refused is what is tested
def test_only_loopback_by_default(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="allow-remote"):
        ServerSettings(tmp_path, host=host)
    assert ServerSettings(tmp_path, host=host, allow_remote=True).host == host


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"certfile": "no-such.pem", "keyfile": "no-such.key"}, "certfile is 'no-such.pem'"),
        ({"api_key": " "}, "api_key"),
        ({"api_key": "two words"}, "api_key"),
        ({"host": ""}, "host is empty"),
        *(
            ({"host_names": ("good.internal", name)}, re.escape(f"host_names has {name!r}, but must"))
            for name in ("", "a b", "a'b", "*.internal", "name:8765", "[::1]", "a\n", "fe80::1%'x", "rechner.müller")
        ),
    ],
)
def test_wrong_settings_are_named(arguments: dict[str, object], named: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=named) as raised:
        ServerSettings(tmp_path, **arguments)  # type: ignore[arg-type]
    assert "two words" not in str(raised.value)


def test_host_names_are_names_and_addresses(tmp_path: Path) -> None:
    names = ("host.docker.internal", "my_service", "My-Machine.example", "172.17.0.1", "fe80::1", "a.b.c")
    assert ServerSettings(tmp_path, host_names=names).host_names == names


def test_the_root_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="root is"):
        ServerSettings(tmp_path / "file")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "bucket").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("uri", ["s3://bucket/a/job.py", "  s3://bucket/a/job.py\n"])
def test_addresses_lead_to_files(uri: str, root: Path) -> None:
    (root / "bucket" / "a").mkdir()
    (root / "bucket" / "a" / "job.py").touch()
    assert local_path(root, uri) == root / "bucket" / "a" / "job.py"


@pytest.mark.parametrize(
    "uri",
    [
        "job.py",
        "/etc/passwd",
        "file:///etc/passwd",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3://../secret",
        "s3://bucket/../../secret",
        "s3://bucket/../bucket/job.py",
        "s3://bucket//secret",
        "s3://bucket/./job.py",
        "s3://bucket/a\0b",
        "s3://bucket/link-to-file",
        "s3://bucket/link-to-folder/secret",
        "s3://bucket/loop",
        "s3://bucket/folder",
        "s3://bucket/missing.py",
        "s3://.wherobots-local/runs/x",
        "s3://bucket/link-to-own",
        "s3:///etc/passwd",
    ],
)
def test_no_address_leads_out_of_the_root(uri: str, root: Path) -> None:
    (root.parent / "secret").write_text("x")
    (root / "bucket" / "job.py").touch()
    (root / "bucket" / "folder").mkdir()
    (root / "bucket" / "link-to-file").symlink_to(root.parent / "secret")
    (root / "bucket" / "link-to-folder").symlink_to(root.parent)
    (root / "bucket" / "loop").symlink_to(root / "bucket" / "loop")
    (root / ".wherobots-local" / "runs").mkdir(parents=True)
    (root / ".wherobots-local" / "runs" / "x").touch()
    (root / "bucket" / "link-to-own").symlink_to(root / ".wherobots-local" / "runs" / "x")
    with pytest.raises(StorageError):
        local_path(root, uri)
