"""Values as JSON, and JSON as values of a type, in DuckDB's SQL."""

from __future__ import annotations

import json

from sqlglot import exp
from sqlglot.errors import ParseError

from wherobots_local.sql.dialect.errors import unsupported
from wherobots_local.sql.dialect.parser import ServiceSql

_WHOLE = (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT)
_READ = {
    **dict.fromkeys(_WHOLE, "whole"),
    **dict.fromkeys((exp.DType.DOUBLE, exp.DType.FLOAT), "number"),
    exp.DType.BOOLEAN: "boolean",
    exp.DType.DATE: "date",
    exp.DType.DECIMAL: "decimal",
    exp.DType.TEXT: "string",
    exp.DType.TIMESTAMPTZ: "time",
}
_WRITTEN = {
    **dict.fromkeys((*_WHOLE, exp.DType.BOOLEAN, exp.DType.NULL), "{}::VARCHAR"),
    **dict.fromkeys((exp.DType.DOUBLE, exp.DType.FLOAT), "spark._text({})"),
    exp.DType.DECIMAL: "spark._json_of_decimal({})",
    exp.DType.DATE: "'\"' || {}::VARCHAR || '\"'",
    exp.DType.TEXT: "to_json({})::VARCHAR",
    exp.DType.TIMESTAMPTZ: "strftime({}::TIMESTAMP, '\"%Y-%m-%dT%H:%M:%S.%gZ\"')",
}


def schema(text: str) -> exp.DataType:
    """Return the type of ``a INT, b STRING`` or of ``ARRAY<INT>``."""
    for form in (text, f"STRUCT<{text}>"):
        try:
            kind = exp.DataType.build(form, dialect=ServiceSql)
        except ParseError:
            continue
        if _is(kind, "struct", "array", "map"):
            return kind
    raise unsupported(f"the schema {text[:40]!r}")


def read(value: str, kind: exp.DataType, depth: int = 0) -> str:
    """Return the value in a JSON value; NULL if it has another type, for an array or a map also if one in it has."""
    if _is(kind, "struct"):
        made = ", ".join(f"'{_plain(field.name)}': {_read_field(value, field, depth)}" for field in kind.expressions)
        # Other JSON than an object is a struct of NULLs, but only outside of other values.
        is_there = f"spark._json_type({value}) = 'OBJECT'" if depth else f"spark._json_type({value}) IS NOT NULL"
        return f"CASE WHEN {is_there} THEN {{{made}}} END"
    if _is(kind, "array", "map"):
        return _read_items(value, kind, depth + 1)
    if kind.this not in _READ:
        raise unsupported(f"the type {kind.sql(ServiceSql)[:40]} in a schema")
    return f"TRY_CAST(spark._json_{_READ[kind.this]}({value}) AS {kind.sql('duckdb')})"


def _read_field(value: str, field: exp.Expr, depth: int) -> str:
    return read(f"json_extract({value}, '$.{field.name}')", field.args["kind"], depth + 1)


def _plain(name: str) -> str:
    if not name.isidentifier():
        raise unsupported(f"the name {name[:20]!r} in a schema")
    return name


def _read_items(value: str, kind: exp.DataType, depth: int) -> str:
    item = f"_item{depth}"
    *keys, inner = kind.expressions
    if any(not _is(key, "text") for key in keys):
        raise unsupported("from_json to a map with keys that are no texts")
    found, pointer = read(item, inner, depth), "'/' || replace(replace(_key, '~', '~0'), '/', '~1')"
    items = f"json_extract({value}, '$[*]')"
    is_there = f"spark._json_type({value}) = '{'OBJECT' if keys else 'ARRAY'}'"
    if keys:
        items = f"list_transform(json_keys({value}), lambda _key: json_extract({value}, {pointer}))"
    elif depth == 1 and _is(inner, "struct"):
        # Not inside of other values, an object is an array of one.
        is_there = f"spark._json_type({value}) IN ('ARRAY', 'OBJECT')"
        items = f"CASE WHEN json_type({value}) = 'OBJECT' THEN [{value}] ELSE {items} END"
    whole = f"len(list_filter(_items{depth}, lambda {item}: json_type({item}) <> 'NULL' AND ({found}) IS NULL)) = 0"
    made = f"list_transform(_items{depth}, lambda {item}: {found})"
    made = f"map(json_keys({value}), {made})" if keys else made
    named = f"list_transform([{items}], lambda _items{depth}: CASE WHEN {whole} THEN {made} END)[1]"
    return f"CASE WHEN {is_there} THEN {named} END"


def written(value: str, kind: exp.DataType, depth: int = 0) -> str:
    """Return a value as JSON; NULL for NULL. Fields that are NULL are left out."""
    item = f"_item{depth}"
    if _is(kind, "struct"):
        parts = ", ".join(_written_field(value, field, depth) for field in kind.expressions)
        return f"CASE WHEN {value} IS NOT NULL THEN '{{' || concat_ws(',', {parts}) || '}}' END"
    if _is(kind, "array"):
        found = written(item, kind.expressions[0], depth + 1)
        return f"'[' || array_to_string(list_transform({value}, lambda {item}: coalesce({found}, 'null')), ',') || ']'"
    if _is(kind, "map"):
        key, inner = kind.expressions
        if not _is(key, "text") and key.this not in _WHOLE:
            raise unsupported("to_json of a map with such keys")
        found = written(f"{item}['value']", inner, depth + 1)
        pair = f"to_json({item}['key']::VARCHAR)::VARCHAR || ':' || coalesce({found}, 'null')"
        return f"'{{' || array_to_string(list_transform(map_entries({value}), lambda {item}: {pair}), ',') || '}}'"
    if depth == 0 or kind.this not in _WRITTEN:
        raise unsupported(f"to_json of {kind.sql(ServiceSql)[:40]}")
    return _WRITTEN[kind.this].format(value)


def _written_field(value: str, field: exp.Expr, depth: int) -> str:
    name = exp.Literal.string(json.dumps(field.name, ensure_ascii=False) + ":").sql("duckdb")
    held = f"struct_extract({value}, {exp.Literal.string(field.name).sql('duckdb')})"
    return f"{name} || {written(held, field.args['kind'], depth + 1)}"


def _is(kind: exp.DataType, *names: str) -> bool:
    return kind.this in [exp.DType[name.upper()] for name in names]
