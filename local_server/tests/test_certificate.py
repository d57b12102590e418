"""The certificate that the server makes for itself."""

import datetime
import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from requests.certs import where  # type: ignore[attr-defined]

from local_server.tests.started import Started
from local_server.tests.support import KEY, Client, require
from wherobots_local import security as certificate_module
from wherobots_local.security import MadeCertificate, made_certificate

NAME = "host.docker.internal"


def names_of(made: MadeCertificate) -> set[str]:
    loaded = x509.load_pem_x509_certificate(made.certfile.read_bytes())
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def test_it_is_for_this_machine_and_the_given_names(tmp_path: Path) -> None:
    made = made_certificate(tmp_path / "new" / "folder", ["0.0.0.0", NAME, "172.17.0.1", "::", NAME])  # noqa: S104
    assert names_of(made) == {"localhost", "127.0.0.1", "::1", NAME, "172.17.0.1"}
    loaded = x509.load_pem_x509_certificate(made.certfile.read_bytes())
    assert not loaded.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert loaded.not_valid_after_utc - datetime.datetime.now(datetime.UTC) < datetime.timedelta(days=366)


def test_only_the_key_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = made_certificate(tmp_path, [])
    finally:
        os.umask(before)
    assert [stat.S_IMODE(file.stat().st_mode) for file in made] == [0o644, 0o600, 0o644]
    assert b"PRIVATE KEY" not in made.certfile.read_bytes() + made.bundle.read_bytes()


def test_the_bundle_has_the_usual_authorities_too(tmp_path: Path) -> None:
    made = made_certificate(tmp_path, [])

    def count(cafile: str | Path) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile)
        return context.cert_store_stats()["x509"]

    assert count(made.bundle) == count(where()) + 1


def test_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_certificate(tmp_path / "zone", ["fe80::1%eth0"])
    before = (tmp_path / "zone" / "cert.pem").read_bytes()
    assert made_certificate(tmp_path / "zone", ["fe80::1%eth0"]).certfile.read_bytes() == before
    with pytest.raises(ValueError, match="another certificate"):
        made_certificate(tmp_path / "zone", ["other.internal"])
    monkeypatch.setattr(certificate_module, "_VALID_DAYS", 0)
    made_certificate(tmp_path / "short", [NAME])
    with pytest.raises(ValueError, match="expired"):
        made_certificate(tmp_path / "short", [NAME])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--make-certificate", "certificate", "--certfile", "x.pem"], "--make-certificate cannot be combined with"),
        (["--make-certificate", "/dev/null/x"], "no certificate can be made"),
        (["--make-certificate", "certificate", "--host-name", "rechner.müller"], "--host-name has 'rechner.müller'"),
    ],
)
def test_what_cannot_be_made_is_one_clear_error(
    arguments: list[str], words: str, refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refusal(*arguments)
    assert not (tmp_path / "certificate").exists()


def test_clients_that_trust_it_reach_the_server_by_each_name(tmp_path: Path) -> None:
    require(shutil.which("curl"), "no curl")
    folder = tmp_path / "certificate"
    with Started(tmp_path, "--make-certificate", str(folder), "--host-name", NAME, key=KEY) as server:
        assert server.ready["url"].startswith("https://127.0.0.1:")
        for bundle in ("cert.pem", "ca-bundle.pem"):
            Client(server.ready["url"], server.root, verify=str(folder / bundle)).run("print('over TLS')")
        port = server.ready["port"]
        for name in ("localhost", NAME, "elsewhere.internal"):
            command = ["curl", "--silent", "--noproxy", "*", "--cacert", str(folder / "cert.pem")]
            command += ["--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/health"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            # 60: the certificate is not for this name.
            assert done.returncode == (60 if name == "elsewhere.internal" else 0), done


@pytest.mark.parametrize("present", [["cert.pem", "key.pem"], ["key.pem"], ["ca-bundle.pem"]])
@pytest.mark.parametrize("is_pem", [True, False])
def test_files_that_the_server_did_not_make_are_never_replaced(
    present: list[str], is_pem: bool, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    for name in present:
        content = certificate[name == "key.pem"].read_bytes() if is_pem else b"a text"
        (tmp_path / name).write_bytes(content)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="another certificate"):
        made_certificate(tmp_path, [NAME])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
