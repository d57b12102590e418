"""What another version has stored is read, without the arguments that are not known."""

from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_wherobots.stored import StoredOptions, ignore_unknown


@dataclass(frozen=True, slots=True)
class Options(StoredOptions):
    one: int
    two: str = "two"


def test_options_are_read_without_those_that_are_not_known() -> None:
    assert Options.from_kwargs({**Options(1).to_kwargs(), "later": True}) == Options(1)
    with pytest.raises(TypeError, match="'one'"):
        Options.from_kwargs({"two": "2"})


def test_a_method_and_a_constructor_ignore_arguments_that_they_do_not_know() -> None:
    class Reader:
        @ignore_unknown
        def __init__(self, one: int, two: str = "two") -> None:
            self.read = one, two

        @ignore_unknown
        def resume(self, event: Any, *, index: int = 0) -> Any:
            """Resume."""
            return self.read, event, index

    stored: dict[str, Any] = {"one": 1, "later": True}
    stored_by_task: dict[str, Any] = {"index": 2, "later": True}
    assert Reader(**stored).resume("event", **stored_by_task) == ((1, "two"), "event", 2)
    assert Reader.resume.__doc__ == "Resume."
