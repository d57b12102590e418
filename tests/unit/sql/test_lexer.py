"""Splitting SQL into tokens and statements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.sql.statements import statements, tokens

SQL = st.text("'\"`\\-/*%();srRx \n+a")


@given(SQL)
def test_the_tokens_together_are_the_sql(sql: str) -> None:
    assert "".join(token.text for token in tokens(sql)) == sql


@given(SQL)
def test_only_spaces_semicolons_and_closed_comments_are_left_out(sql: str) -> None:
    rest = sql
    for statement in statements(sql):
        left_out, found, rest = rest.partition(statement)
        assert found
        assert is_skipped(left_out)
    assert is_skipped(rest)


def is_skipped(text: str) -> bool:
    """Whether Spark skips a text, character by character, without the module's expressions."""
    depth, is_line, position = 0, False, 0
    while position < len(text):
        two = text[position : position + 2]
        if is_line:
            is_line = text[position] not in "\r\n" or text[position - 1 : position + 1] == "\\\n"
        elif two == "/*" and text[position + 2 : position + 3] != "+":
            depth, position = depth + 1, position + 1
        elif depth and two == "*/":
            depth, position = depth - 1, position + 1
        elif not depth and two == "--":
            is_line, position = True, position + 1
        elif not depth and text[position] not in " \n;":
            return False
        position += 1
    return depth == 0


@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        ("", []),
        (" ;; ", []),
        ("-- nothing\n;", []),
        ("a;b ;\n c", ["a", "b", "c"]),
        ("a 'x;y' \"x;y\" `x;y`; b", ["a 'x;y' \"x;y\" `x;y`", "b"]),
        ("a '\\';' b; c", ["a '\\';' b", "c"]),
        ("a '\\\\'; b", ["a '\\\\'", "b"]),
        ("a -- x;y\n, b; c", ["a -- x;y\n, b", "c"]),
        ("a /* ; /* ; */ ; */ b; c", ["a /* ; /* ; */ ; */ b", "c"]),
        ("SELECT /*+ BROADCAST(t) */ 1; c", ["SELECT /*+ BROADCAST(t) */ 1", "c"]),
        ("a; 'open; b", ["a", "'open; b"]),
        ("a; /* s3://b/*.parquet */ b; c", ["a", "/* s3://b/*.parquet */ b; c"]),
        ("a; /* s3://b/*.parquet */ b */ c", ["a", "/* s3://b/*.parquet */ b */ c"]),
        ("a; /* open", ["a", "/* open"]),
        ("a; /* /*+ b */ ;c", ["a", "c"]),
        ("a; /*/ b */ ;c", ["a", "c"]),
    ],
)
def test_statements_end_at_semicolons_outside_of_literals_and_comments(sql: str, parts: list[str]) -> None:
    assert statements(sql) == parts
