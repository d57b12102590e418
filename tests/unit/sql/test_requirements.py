import pytest

from airflow_provider_wherobots.sql import results as requirements

INSTALL = "install the extra sql of airflow-provider-wherobots, from where you got the provider"


@pytest.mark.parametrize(
    ("absent", "frames", "told"),
    [
        ((), True, ""),
        (("pandas",), False, ""),
        (("pandas",), True, f"SQL needs pandas: {INSTALL}"),
        (("pyarrow", "cbor2"), True, f"SQL needs pyarrow and cbor2: {INSTALL}"),
        (("pyarrow", "cbor2", "pandas"), False, f"SQL needs pyarrow and cbor2: {INSTALL}"),
    ],
)
def test_what_is_missing(monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...], frames: bool, told: str) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name in absent else name)
    assert requirements.missing(frames=frames) == told
