"""The API key stays where it belongs: encrypted in the connection."""

import pytest

from tests.e2e.world import CONN_ID, KEY_STEM, World

pytestmark = pytest.mark.e2e


def test_the_key_is_in_no_file_of_airflow(world: World) -> None:
    world.case("deferred").begin("talk.py", 1).end("success")
    files = {path: path.read_bytes() for path in world.airflow.home.rglob("*") if path.is_file()}
    database = b"".join(content for path, content in files.items() if path.name.startswith("airflow.db"))
    assert CONN_ID.encode() in database, "what is looked for would be found"
    logs = [content for path, content in files.items() if path.suffix == ".log"]
    assert any(b"line 00000 of the run" in content for content in logs)
    assert [path for path, content in files.items() if KEY_STEM.encode() in content] == []
