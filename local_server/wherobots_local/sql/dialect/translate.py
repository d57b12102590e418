"""Reads a statement of the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from wherobots_local.sql.dialect import changes, definitions, listings
from wherobots_local.sql.dialect.errors import RefusedStatementError, not_supported, syntax_error
from wherobots_local.sql.dialect.expressions import ExpressionRewriter
from wherobots_local.sql.dialect.reader import TokenReader
from wherobots_local.sql.dialect.statements import (
    DoNothing,
    ExplainQuery,
    RunQuery,
    SparkStatement,
    Translation,
)
from wherobots_local.sql.dialect.tokens import SqlToken, TokenKind, tokenize

_QUERIES = ("SELECT", "WITH", "VALUES", "FROM", "TABLE")
_ONLY_FASTER = ("CACHE", "UNCACHE", "REFRESH", "ANALYZE", "CLEAR", "OPTIMIZE", "VACUUM")
_DEEPEST = 500
_OTHERS = (
    *("ADD", "BEGIN", "CALL", "COMMENT", "COPY", "DECLARE", "EXECUTE", "EXPORT", "GRANT", "IMPORT", "LIST", "LOAD"),
    *("MSCK", "REPAIR", "RESET", "RESTORE", "REVOKE"),
)
_READERS: dict[str, Callable[[TokenReader, ExpressionRewriter], SparkStatement]] = {
    "CREATE": definitions.read_create,
    "REPLACE": definitions.read_replace,
    "DROP": lambda reader, _: definitions.read_drop(reader),
    "ALTER": lambda reader, _: definitions.read_alter(reader),
    "INSERT": changes.read_insert,
    "DELETE": changes.read_delete,
    "TRUNCATE": lambda reader, _: changes.read_truncate(reader),
    "UPDATE": changes.read_update,
    "MERGE": changes.read_merge,
    "SHOW": lambda reader, _: listings.read_show(reader),
    "DESCRIBE": lambda reader, _: listings.read_describe(reader),
    "DESC": lambda reader, _: listings.read_describe(reader),
    "USE": lambda reader, _: listings.read_use(reader),
    "SET": lambda reader, _: listings.read_set(reader),
}


def translate(text: str) -> Translation:
    """Read one statement of the service.

    :param text: the statement. One semicolon or several may follow it.
    :returns: what it asks for, in the SQL of SedonaDB.
    :raises RefusedStatementError: if it is empty, wrong or more than one statement, or the local server does not
        support it. The text is what the client reads.
    """
    tokens = _single(tokenize(text))
    rewriter = ExpressionRewriter()
    # Deeper ones would be refused too, but only after seconds.
    depths = accumulate(token.is_sign("(") - token.is_sign(")") for token in tokens)
    if max(depths) > _DEEPEST:
        raise not_supported("parentheses nested so deeply")
    try:
        statement = _statement(tokens, rewriter)
    except RecursionError:
        raise not_supported("parentheses nested so deeply") from None
    return Translation(statement, tuple(rewriter.files), _spelling(tokens))


def _single(tokens: list[SqlToken]) -> list[SqlToken]:
    while tokens and tokens[-1].is_sign(";"):
        tokens.pop()
    if not tokens:
        raise RefusedStatementError("[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement. SQLSTATE: 42617")
    for number, token in enumerate(tokens):
        if token.is_sign(";"):
            raise syntax_error(tokens[number + 1].text, "extra input after the end of the statement")
    return tokens


def _statement(tokens: Sequence[SqlToken], rewriter: ExpressionRewriter) -> SparkStatement:
    reader = TokenReader(tokens)
    first = tokens[0]
    if first.is_sign("(") or first.is_word(*_QUERIES):
        if not _is_query(tokens):
            raise syntax_error(first.text, "a query is expected in the parentheses")
        return RunQuery(_query(tokens, rewriter))
    word = reader.take().text.upper()
    if word == "EXPLAIN" and not reader.is_at_end:
        _ = reader.accept("EXTENDED") or reader.accept("FORMATTED") or reader.accept("CODEGEN") or reader.accept("COST")
        explained = reader.rest()
        if not _is_query(explained):
            # SedonaDB's EXPLAIN ANALYZE carries out what it explains, such as COPY.
            raise not_supported("EXPLAIN of what is no query")
        return ExplainQuery(_query(explained, rewriter))
    if first.is_word(*_ONLY_FASTER):
        return _only_faster(word, reader)
    if not first.is_word(*_READERS):
        if first.is_word(*_OTHERS):
            raise not_supported(f"{word} statements")
        raise syntax_error(first.text, "no statement begins with it")
    return _READERS[word](reader, rewriter)


def _is_query(tokens: Sequence[SqlToken]) -> bool:
    """Say whether tokens are a query: SedonaDB carries out other statements at once."""
    first = next((token for token in tokens if not token.is_sign("(")), None)
    return first is not None and first.is_word(*_QUERIES)


def _query(tokens: Sequence[SqlToken], rewriter: ExpressionRewriter) -> str:
    first = tokens[0]
    if first.is_word("TABLE"):
        return rewriter.sql([*tokenize("SELECT * FROM"), *tokens[1:]])
    if first.is_word("FROM"):
        raise not_supported("a query that begins with FROM", "begin it with SELECT")
    if first.is_word("WITH") and TokenReader(tokens).next_is("SELECT"):
        raise syntax_error("SELECT", "expected a name")
    return rewriter.sql(tokens)


def _only_faster(word: str, reader: TokenReader) -> SparkStatement:
    if word == "CACHE" and any(token.is_word("AS", "SELECT") for token in reader.rest()):
        raise not_supported("CACHE TABLE ... AS", "use CREATE TEMPORARY VIEW")
    return DoNothing()


def _spelling(tokens: Sequence[SqlToken]) -> dict[str, str]:
    """Keep how names of columns were written: Spark's results show them so, and SedonaDB's in lower case."""
    found: dict[str, str] = {}
    for before, token, after in zip([None, *tokens[:-1]], tokens, [*tokens[1:], None], strict=True):
        is_alias = before is not None and before.is_word("AS") and after is not None and not after.is_sign("(", ")")
        is_selected = after is None or after.is_sign(",") or after.is_word("FROM")
        if token.kind is TokenKind.WORD and (is_alias or is_selected):
            found.setdefault(token.text.lower(), token.text)
    return {lower: written for lower, written in found.items() if lower != written}
