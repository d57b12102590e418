"""A StatsD server of the tests: it receives what Airflow's own client sends to a port of this machine."""

import socket
from contextlib import suppress
from pathlib import Path


class StatsdServer:
    """Receives datagrams on a free port."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.settings = {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }
        """The settings with which Airflow sends here, with tags."""

    def received(self) -> list[str]:
        """The provider's metrics that have come since the last call, until none has come for a moment."""
        found: list[str] = []
        with suppress(TimeoutError):
            while True:
                found += self._socket.recv(65_536).decode().splitlines()
        return [line for line in found if ".wherobots." in line]

    def write_to(self, path: Path) -> None:
        """Append the provider's metrics to a file, for ever."""
        with path.open("a", buffering=1) as written:
            while True:
                written.writelines(f"{line}\n" for line in self.received())

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def parsed(lines: list[str]) -> dict[str, tuple[str, float, str]]:
    """Tags, value and kind of each metric by the end of its name."""
    found = {}
    for line in lines:
        name_and_tags, _, rest = line.partition(":")
        name, _, tags = name_and_tags.partition(",")
        value, _, kind = rest.partition("|")
        assert name not in found, f"{name} was sent twice: {lines}"
        found[name.removeprefix("airflow.wherobots.run.")] = tags, float(value), kind
    return found
