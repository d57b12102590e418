"""How durations, sizes and errors that nobody foresaw are said."""

import argparse
import importlib.util
import shlex
import traceback

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots import words
from airflow_provider_wherobots.cli.main import add_commands
from airflow_provider_wherobots.words import MAX_CHARS, make_safe, places_of, reason_of


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a second"),
        (0.999, "less than a second"),
        (1, "1 second"),
        (14.4, "14 seconds"),
        (59.6, "1 minute"),
        (127, "2 minutes 7 seconds"),
        (3599.9, "1 hour"),
        (3600, "1 hour"),
        (3610, "1 hour"),
        (7505, "2 hours 5 minutes"),
        (90_000, "1 day 1 hour"),
    ],
)
def test_durations_are_said_in_the_units_that_matter(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("byte_count", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (2, "2 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 KB"),
        (999_949, "999.9 KB"),
        (999_960, "1.0 MB"),
        (999_850_500, "999.9 MB"),
        (999_960_000, "1.0 GB"),
        (123_450_000_050, "123.5 GB"),
    ],
)
def test_sizes_are_said_in_the_largest_unit_of_which_there_is_one(byte_count: int, said: str) -> None:
    assert words.size(byte_count) == said


def test_words_are_english_whatever_the_process_speaks() -> None:
    before = pendulum.get_locale()
    pendulum.set_locale("de")
    try:
        assert words.duration(7_500) == "2 hours 5 minutes"
        assert words.moment(1_750_000_000.9) == "2025-06-15 15:06:40 UTC"
    finally:
        pendulum.set_locale(before)


def test_a_text_is_cut_only_if_it_is_longer() -> None:
    assert words.quoted("x" * 20, 20) == "x" * 20
    assert words.quoted("x" * 21, 20) == "x" * 19 + "…"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_a_quoted_text_is_safe_and_bounded(text: str, limit: int) -> None:
    said = words.quoted(text, limit)
    assert len(said) <= limit
    said.encode()
    assert said.removesuffix("…") in make_safe(text) or said == make_safe(text)


@pytest.mark.parametrize("text", ["runs list --name '*-0123'", "runs cancel --yes r1", "orphans", "orphans --cancel"])
@pytest.mark.parametrize("conn_id", ["", "other"])
def test_a_command_that_a_message_names_exists_on_every_airflow(text: str, conn_id: str) -> None:
    # Before 3.2 Airflow's own command line has no commands of providers.
    python, option, module, *arguments = shlex.split(words.command(text, conn_id))
    assert (python, option) == ("python", "-m")
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    parser = argparse.ArgumentParser()
    add_commands(parser)
    assert parser.parse_args(arguments).conn == (conn_id or "wherobots_default")


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
    for line in ("test_words.py", "in caught", "OSError\nled to\n", "RuntimeError"):
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
