"""Functions of Spark and Sedona that SedonaDB has under another name, or can express."""

from __future__ import annotations

RENAMED = {
    "any_value": "first_value",
    "approx_count_distinct": "approx_distinct",
    "array": "make_array",
    "array_contains": "array_has",
    "array_size": "cardinality",
    "bool_any": "bool_or",
    "ceiling": "ceil",
    "char": "chr",
    "endswith": "ends_with",
    "every": "bool_and",
    "explode": "unnest",
    "first": "first_value",
    "last": "last_value",
    "lcase": "lower",
    "listagg": "string_agg",
    "locate": "strpos",
    "mean": "avg",
    "rand": "random",
    "sequence": "generate_series",
    "sign": "signum",
    "size": "cardinality",
    "some": "bool_or",
    "sort_array": "array_sort",
    "st_polygonfromenvelope": "ST_MakeEnvelope",
    "startswith": "starts_with",
    "std": "stddev",
    "ucase": "upper",
    "variance": "var_samp",
}
"""Functions that differ by name only."""

AGGREGATE_ENDING = ("_aggr", "_agg")
"""``ST_Union_Aggr`` of Sedona is ``ST_Union_Agg`` here."""

_SUBSTRING_END = (
    "CASE WHEN {1} < 0 THEN right({0}, -({1}))"
    " ELSE right({0}, CAST(greatest(length({0}) - greatest({1}, 1) + 1, 0) AS BIGINT)) END"
)

EXPRESSED = {
    ("collect_list", 1): "array_agg({0}) FILTER (WHERE {0} IS NOT NULL)",
    ("collect_set", 1): "array_agg(DISTINCT {0}) FILTER (WHERE {0} IS NOT NULL)",
    ("count_if", 1): "count(CASE WHEN {0} THEN 1 END)",
    ("current_date", 0): "current_date()",
    ("date", 1): "arrow_cast({0}, 'Date32')",
    ("date_add", 2): "(arrow_cast({0}, 'Date32') + ({1}))",
    ("date_sub", 2): "(arrow_cast({0}, 'Date32') - ({1}))",
    ("datediff", 2): "(arrow_cast({0}, 'Date32') - arrow_cast({1}, 'Date32'))",
    ("day", 1): "date_part('day', {0})",
    ("dayofmonth", 1): "date_part('day', {0})",
    ("dayofweek", 1): "(date_part('dow', {0}) + 1)",
    ("dayofyear", 1): "date_part('doy', {0})",
    ("hour", 1): "date_part('hour', {0})",
    ("if", 3): "CASE WHEN {0} THEN {1} ELSE {2} END",
    ("iff", 3): "CASE WHEN {0} THEN {1} ELSE {2} END",
    ("isnotnull", 1): "(({0}) IS NOT NULL)",
    ("isnull", 1): "(({0}) IS NULL)",
    ("locate", 2): "strpos({1}, {0})",
    ("log", 1): "ln({0})",
    ("ltrim", 2): "ltrim({1}, {0})",
    ("max_by", 2): "first_value({0} ORDER BY {1} DESC NULLS LAST)",
    ("min_by", 2): "first_value({0} ORDER BY {1} ASC NULLS LAST)",
    ("minute", 1): "date_part('minute', {0})",
    ("mod", 2): "(({0}) % ({1}))",
    ("month", 1): "date_part('month', {0})",
    ("pmod", 2): "((({0}) % ({1}) + ({1})) % ({1}))",
    ("quarter", 1): "date_part('quarter', {0})",
    ("regexp_replace", 3): "regexp_replace({0}, {1}, {2}, 'g')",
    ("rtrim", 2): "rtrim({1}, {0})",
    ("second", 1): "date_part('second', {0})",
    ("st_asewkt", 1): (
        "CASE WHEN ST_SRID({0}) = 0 THEN ST_AsText({0})"
        " ELSE 'SRID=' || arrow_cast(ST_SRID({0}), 'Utf8') || ';' || ST_AsText({0}) END"
    ),
    ("st_distancesphere", 2): "ST_Distance(ST_ToGeography({0}), ST_ToGeography({1}))",
    ("substr", 2): _SUBSTRING_END,
    ("substr", 3): f"left({_SUBSTRING_END}, {{2}})",
    ("substring", 2): _SUBSTRING_END,
    ("substring", 3): f"left({_SUBSTRING_END}, {{2}})",
    ("trim", 2): "btrim({1}, {0})",
    ("unix_timestamp", 0): "CAST(date_part('epoch', now()) AS BIGINT)",
    ("weekofyear", 1): "date_part('week', {0})",
    ("year", 1): "date_part('year', {0})",
}
"""Functions with so many arguments, and what stands for them."""

REFUSED = {
    "date_format": "its patterns are those of Java; use date_part or year, month and day",
    "rs_fromgeotiff": "rasters need the service",
    "st_collect": "use ST_Collect_Agg",
    "typeof": "use DESCRIBE TABLE",
}
"""Functions that SedonaDB has with another meaning, or lacks but a user looks for, and what to do."""
