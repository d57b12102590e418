"""Unit tests talk to nobody, and properties are tried with as many examples as the caller asks for."""

import socket
from collections.abc import Iterator
from typing import Any, NoReturn
from unittest.mock import patch

import pytest

from tests.support.properties import load_profile

load_profile()


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Where something is connected to or waited for at an address, another program has a say in the result."""

    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        raise AssertionError("a unit test uses the network")

    with patch.multiple(socket.socket, bind=refuse, connect=refuse), patch.object(socket, "getaddrinfo", refuse):
        yield
