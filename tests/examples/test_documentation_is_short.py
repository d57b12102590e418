"""The pages are short, say most things in sentences, and use the words that Airflow's users know."""

import re
from pathlib import Path

import pytest

from tests.support.places import TREE

SERVER = TREE / "local_server"
GENERATED = {TREE / "docs" / "reference.md", SERVER / "docs" / "reference.md", SERVER / "docs" / "coverage.md"}
"""Pages that a command writes from the code, and a test compares with it."""
PROVIDERS, SERVERS = (
    sorted({folder / "README.md", *(folder / "docs").glob("*.md")} - GENERATED) for folder in (TREE, SERVER)
)
PRIVATE = re.compile(
    r"\b(create call|left active|of others|own session|certainly|in doubt|lateness|grace|(the|a|this|each) round|"
    r"could not say so|of before the clear|(that|which|task) has a run)\b",
    re.IGNORECASE,
)


def prose(page: Path) -> str:
    """The page without its blocks of code, comments and the addresses of links."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", text)


def words(text: str) -> int:
    return sum(1 for word in text.split() if re.search(r"\w", word))


def cells(page: Path) -> list[str]:
    rows = [line.strip("|") for line in prose(page).splitlines() if line.startswith("|")]
    return [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)]


@pytest.mark.parametrize(("pages", "limit"), [(PROVIDERS, 20_000), (SERVERS, 5_000)], ids=["provider", "server"])
def test_there_are_few_words_and_most_are_in_sentences(pages: list[Path], limit: int) -> None:
    count = sum(words(prose(page)) for page in pages)
    in_tables = sum(words(cell) for page in pages for cell in cells(page))
    assert count <= limit
    assert in_tables <= 0.2 * count


@pytest.mark.parametrize("page", [*PROVIDERS, *SERVERS], ids=lambda page: page.relative_to(TREE).as_posix())
def test_a_cell_is_short(page: Path) -> None:
    assert [cell for cell in cells(page) if words(cell) > 20] == []


@pytest.mark.parametrize("page", [*PROVIDERS, *SERVERS], ids=lambda page: page.relative_to(TREE).as_posix())
def test_a_page_has_no_private_words(page: Path) -> None:
    # A name in the code is no word of the page.
    text = re.sub(r"`[^`]*`", "", prose(page))
    assert [found[0] for found in PRIVATE.finditer(text)] == []
