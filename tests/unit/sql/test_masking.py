"""What a log shows of a statement."""

from collections.abc import Iterator

import pytest
from hypothesis import given

from airflow_provider_wherobots.sql import statements as module
from airflow_provider_wherobots.sql.parameters import bind
from airflow_provider_wherobots.sql.statements import SqlTokenKind, Token, masked
from tests.unit.sql.test_literals import TEXTS


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("SELECT a, t2.b1 FROM t2", "SELECT a, t2.b1 FROM t2"),
        ("SELECT\n  a\n\tFROM t ;", "SELECT a FROM t ;"),
        ("a = 'secret'", "a = ?"),
        ("a = 'O\\'Brien' AND b", "a = ? AND b"),
        ("a = X'00ff'", "a = ?"),
        ("a = r'\\' AND b", "a = ? AND b"),
        ("a = 78701 AND b > 1.5e-3 OR c < .5 LIMIT 10", "a = ? AND b > ? OR c < ? LIMIT ?"),
        ("a = 10L, 5BD, -3.0D", "a = ?, ?, -?"),
        ("SELECT 1 -- password is x\n, 2", "SELECT ? , ?"),
        ("SELECT /* it's secret */ a", "SELECT a"),
        ("SELECT /*+ BROADCAST(t) */ a", "SELECT /*+ BROADCAST(t) */ a"),
        ("a = %(x)s AND b = %s AND c %% 2", "a = %(x)s AND b = %s AND c %% ?"),
        ("a = 'never closed", "a = ?"),
        ("-- key\nset spark.hadoop.fs.s3a.secret.key=wJalr/K7", "set spark.hadoop.fs.s3a.secret.key=?"),
        ("SET x = a b", "SET x = ?"),
        ("SET x", "SET x"),
    ],
)
def test_literals_are_masked_and_names_are_shown(statement: str, line: str) -> None:
    assert masked(statement) == line


def test_a_long_statement_is_shortened_and_its_length_told() -> None:
    line = masked("SELECT " + "a, " * 100_000, limit=20)
    assert line == "SELECT a, a, a, a, a… (300,007 characters)"
    assert masked("SELECT a", limit=8) == "SELECT a"


def test_only_the_beginning_of_a_long_statement_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Token] = []

    def tokens(_: str) -> Iterator[Token]:
        while len(read) < 99:
            read.append(Token(SqlTokenKind.NAME, "`a`"))
            yield read[-1]

    monkeypatch.setattr(module, "tokens", tokens)
    assert masked("long", limit=6) == "`a``a`… (4 characters)"
    assert len(read) == 5


@given(TEXTS)
def test_a_text_is_never_shown(text: str) -> None:
    assert masked(bind("SELECT * FROM t WHERE a = %(a)s LIMIT 5", {"a": text})) == "SELECT * FROM t WHERE a = ? LIMIT ?"
