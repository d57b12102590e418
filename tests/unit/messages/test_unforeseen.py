import traceback

import pytest

from airflow_provider_wherobots.words import MAX_CHARS, places_of, reason_of

PROXY = "http://user:secret@proxy.example.com:3128/"


def caught() -> Exception:
    """An exception that another one led to, with all in their texts that must not be shown."""
    try:
        try:
            raise OSError(f"\x1b]0;{PROXY}\x07 tunnel refused")
        except OSError as cause:
            raise RuntimeError(f"{PROXY} is away\x00\r") from cause
    except RuntimeError as error:
        return error


def test_the_reason_is_safe_and_bounded() -> None:
    assert reason_of(caught()) == "RuntimeError: http://***@proxy.example.com:3128/ is away\\x00\\x0d"
    assert reason_of(KeyError("a")) == "KeyError: 'a'"
    assert reason_of(TimeoutError()) == "TimeoutError"
    assert len(reason_of(ValueError("//x" * 1_000_000))) == MAX_CHARS


@pytest.mark.parametrize("password", ["pa/ss", "p@ss", "", "x" * 1_500])
def test_what_stands_before_the_at_of_an_address_is_cut_out(password: str) -> None:
    assert (
        reason_of(ValueError(f"see https://user:{password}@host/, or b")) == "ValueError: see https://***@host/, or b"
    )


def test_the_places_are_those_of_the_traceback_without_texts() -> None:
    error = caught()
    places = places_of(error)
    assert "secret" in "".join(traceback.format_exception(error))
    for line in ("test_unforeseen.py", "in caught", "OSError\nled to\n", "RuntimeError"):
        assert line in places
    assert places.index("OSError") < places.index("led to") < places.rindex("RuntimeError")
    assert not any(word in places for word in ("secret", "\x1b", "\x00"))


@pytest.mark.parametrize("is_put_away", [False, True])
def test_the_exception_that_was_being_handled_is_told_unless_it_was_put_away(is_put_away: bool) -> None:
    def handle() -> None:
        try:
            raise KeyError("a")
        except KeyError:
            if is_put_away:
                raise ValueError("b") from None
            raise ValueError("b")  # noqa: B904 - what happens by mistake

    with pytest.raises(ValueError, match="b") as found:
        handle()
    assert ("KeyError\nled to\n" in places_of(found.value)) is not is_put_away


def test_a_long_chain_and_a_deep_one_are_bounded() -> None:
    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        raise ValueError("at the end")

    found: Exception | None = None
    for _ in range(50):
        try:
            deep(100)
        except ValueError as error:
            error.__cause__, found = found, error
    assert found is not None
    places = places_of(found)
    assert places.count("led to") == 4
    # The innermost 20 frames of each.
    assert places.count("[Previous line repeated 16 more times]") == 5
    assert places.count('raise ValueError("at the end")') == 5
    assert all(line.startswith((" ", "led to", "ValueError")) for line in places.splitlines())
