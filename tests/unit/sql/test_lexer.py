"""Splitting SQL into tokens and statements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.sql.lexer import statements, tokens

SQL = st.text("'\"`\\-/*%();srRx \n+a")


@given(SQL)
def test_the_tokens_together_are_the_sql(sql: str) -> None:
    assert "".join(token.text for token in tokens(sql)) == sql


@given(SQL)
def test_splitting_twice_gives_the_same(sql: str) -> None:
    once = statements(sql)
    assert [part for statement in once for part in statements(statement)] == once


@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        ("", []),
        (" ;; ", []),
        ("-- nothing\n;", []),
        ("a", ["a"]),
        ("a;", ["a"]),
        ("a;b ;\n c", ["a", "b", "c"]),
        ("a 'x;y' \"x;y\" `x;y`; b", ["a 'x;y' \"x;y\" `x;y`", "b"]),
        ("a '\\';' b; c", ["a '\\';' b", "c"]),
        ("a '\\\\'; b", ["a '\\\\'", "b"]),
        ("a -- x;y\n, b; c", ["a -- x;y\n, b", "c"]),
        ("a /* ; /* ; */ ; */ b; c", ["a /* ; /* ; */ ; */ b", "c"]),
        ("SELECT /*+ BROADCAST(t) */ 1; c", ["SELECT /*+ BROADCAST(t) */ 1", "c"]),
        ("a; 'open; b", ["a", "'open; b"]),
    ],
)
def test_statements_end_at_semicolons_outside_of_literals_and_comments(sql: str, parts: list[str]) -> None:
    assert statements(sql) == parts
