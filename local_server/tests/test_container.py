"""The Dockerfile and the compose file. No test builds an image: the tests run where there is no Docker."""

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from local_server.tests.support import KEY
from tests.support.places import TREE
from tests.support.waiting import wait_for

FOLDER = TREE / "local_server"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
SERVICE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["wherobots-local"]


class NamedConnection(http.client.HTTPSConnection):
    """Reaches this machine by a name that only containers know."""

    bundle = ""

    def connect(self) -> None:
        context = ssl.create_default_context(cafile=self.bundle)
        plain = socket.create_connection(("127.0.0.1", self.port), 30)
        self.sock = context.wrap_socket(plain, server_hostname=self.host)


def test_another_container_trusts_the_server(tmp_path: Path) -> None:
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)
    options: list[str] = json.loads(entry) + SERVICE["command"]
    assert options.pop(0) == "wherobots-local"
    mounted = {volume.partition(":")[2]: volume.partition(":")[0] for volume in SERVICE["volumes"]}
    assert mounted.keys() == {option for option in options if option.startswith("/")}
    places = [str(tmp_path / mounted[option]) if option in mounted else option for option in options]
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "wherobots_local", *places, "--port", "0", "--ready-file", str(ready)]
    server = subprocess.Popen(command, env={**os.environ, "WHEROBOTS_API_KEY": KEY}, stdout=subprocess.DEVNULL)
    try:
        wait_for(ready.exists, what="the server to be ready")
        port = json.loads(ready.read_text())["port"]
        connection = NamedConnection("wherobots-local", port, timeout=30)
        connection.bundle = str(tmp_path / "certificate" / "ca-bundle.pem")
        connection.request("GET", "/runs", headers={"X-API-Key": KEY})
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        server.terminate()
        server.wait()


def test_it_listens_where_the_port_is_published() -> None:
    # The Host header must have the server's own port.
    assert SERVICE["ports"] == ["127.0.0.1:8765:8765"]
    assert "EXPOSE 8765" in DOCKERFILE


def test_the_image_has_what_the_package_is_built_from() -> None:
    copied = [name for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]]
    assert {"pyproject.toml", "README.md", "LICENSE", "wherobots_local"} == set(copied)
    # The package itself is not beside the tests where they run on its wheel.
    assert all((FOLDER / name).exists() for name in copied if name != "wherobots_local")
