"""The client of Airflow's API repeats what SQLite has refused, and nothing else."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dev import airflow_api
from dev.airflow_api import AirflowApiError, AirflowApiV2

pytestmark = pytest.mark.once

BUSY = (500, b'{"detail": {"reason": "Database error", "statement": "hidden"}}')
BROKEN = (500, b'{"detail": "Internal Server Error"}')
DONE = (200, b'{"dag_run_id": "r1"}')


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[AirflowApiV2, list[str]]]]:
    monkeypatch.setattr(airflow_api, "PAUSES_SECONDS", (0.01, 0.01, 0.01))
    servers = []

    def start(*answers: tuple[int, bytes]) -> tuple[AirflowApiV2, list[str]]:
        left, asked = list(answers), []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                status, body = left.pop(0)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = AirflowApiV2(f"http://127.0.0.1:{server.server_port}", "admin", "x")
        client._session.headers["Authorization"] = "Bearer x"
        return client, asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_what_sqlite_has_refused_is_repeated(serve: Callable[..., tuple[AirflowApiV2, list[str]]]) -> None:
    client, asked = serve(BUSY, BUSY, DONE)
    assert client.request("POST", "dags/d/dagRuns", json={}) == {"dag_run_id": "r1"}
    assert len(asked) == 3


@pytest.mark.parametrize(("answers", "calls"), [((BROKEN,), 1), ((BUSY,) * 4, 4)], ids=["another error", "for ever"])
def test_other_errors_and_one_that_stays_are_raised(
    serve: Callable[..., tuple[AirflowApiV2, list[str]]], answers: tuple[tuple[int, bytes], ...], calls: int
) -> None:
    client, asked = serve(*answers)
    with pytest.raises(AirflowApiError):
        client.request("POST", "dags/d/dagRuns", json={})
    assert len(asked) == calls
