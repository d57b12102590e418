"""Sedona's functions of geometries on DuckDB: right answers, or a refusal in Spark's words."""

# ruff: noqa: S608 - the statements are made of the tests' own constants.

from __future__ import annotations

import math
import re

import duckdb
import pytest

from local_server.tests.sql.geometry_answers import FUNCTIONS, QUERIES, SEDONA, Answer, Query
from wherobots_local.sql.database.execution import run
from wherobots_local.sql.database.results import Rows
from wherobots_local.sql.database.statement import Session, Statement
from wherobots_local.sql.dialect.errors import StatementError
from wherobots_local.sql.dialect.functions import NAMES
from wherobots_local.sql.dialect.macros import SCRIPTS

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
# The three that 1.8.1 gave another name are known by both.
OF_SEDONA = SEDONA | {"st_envelope_aggr", "st_intersection_aggr", "st_union_aggr"}
ANSWERED = NAMES & OF_SEDONA
MISSING = OF_SEDONA - NAMES


def rows_of(session: Session, statement: str) -> list[tuple[object, ...]]:
    found = run(Statement(session, session.warehouse.cursor()), statement, None, None)
    assert isinstance(found, Rows)
    columns = [column.to_pylist() for column in found.table.columns]
    return list(zip(*columns, strict=True))


def is_right(found: object, value: object) -> bool:
    """Whether a value is right, up to the rounding of its numbers, also of those in a text."""
    if isinstance(found, str) and isinstance(value, str):
        numbers = zip(NUMBER.findall(found), NUMBER.findall(value), strict=False)
        return NUMBER.sub("#", found) == NUMBER.sub("#", value) and all(
            one == other or is_right(float(one), float(other)) for one, other in numbers
        )
    if isinstance(found, list | tuple) and isinstance(value, list | tuple):
        return len(found) == len(value) and all(map(is_right, found, value))
    if isinstance(found, float) and isinstance(value, float):
        return math.isclose(found, value, rel_tol=1e-9, abs_tol=1e-9)
    return found == value and type(found) is type(value)


@pytest.mark.parametrize("answer", FUNCTIONS, ids=lambda answer: f"{answer.function}-{answer.expression}"[:80])
def test_a_function_answers_as_sedona_does(session: Session, answer: Answer) -> None:
    ((found,),) = rows_of(session, f"SELECT {answer.expression}")
    assert is_right(found, answer.value), found


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.statement[-80:])
def test_a_query_of_the_tutorials_has_the_right_rows(session: Session, query: Query) -> None:
    found = rows_of(session, query.statement)
    assert is_right(found, query.rows), found


def test_each_supported_function_has_an_answer() -> None:
    assert {answer.function.lower() for answer in FUNCTIONS} == ANSWERED


def test_each_answer_is_that_of_its_function() -> None:
    assert [
        answer for answer in FUNCTIONS if not re.search(rf"\b{answer.function}\(", answer.expression, re.IGNORECASE)
    ] == []


def test_each_name_of_a_function_of_geometries_is_one_of_sedona() -> None:
    assert {name for name in NAMES if name.startswith("st_")} <= OF_SEDONA


@pytest.mark.parametrize("name", sorted(MISSING))
def test_a_function_that_is_missing_is_refused(session: Session, name: str) -> None:
    with pytest.raises(StatementError, match=rf"^\[(UNSUPPORTED_FEATURE|UNRESOLVED_ROUTINE)\] .*\b{name}\b"):
        rows_of(session, f"SELECT {name}(1)")


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("RS_Value(1)", "[UNSUPPORTED_FEATURE] The local server does not support the function RS_Value"),
        ("ST_QuadKey(1, 2, 3)", "[UNSUPPORTED_FEATURE]"),
        ("ST_3DDistance(ST_Point(0, 0), ST_GeomFromText('LINESTRING (0 0, 1 1)'))", "[UNSUPPORTED_FEATURE]"),
        ("ST_AsHEXEWKB(ST_PointZ(1, 2, 3, 4326))", "[UNSUPPORTED_FEATURE]"),
        ("ST_Buffer(ST_Point(1, 2), 1, true)", "[UNSUPPORTED_FEATURE]"),
        ("ST_Buffer(ST_Point(1, 2), 1, false, 'side=left')", "[UNSUPPORTED_FEATURE]"),
        ("ST_Dump(ST_GeomFromText('GEOMETRYCOLLECTION (MULTIPOINT (1 1, 2 2))'))", "[UNSUPPORTED_FEATURE]"),
        ("ST_Expand(ST_PointZ(1, 2, 3), 1)", "[UNSUPPORTED_FEATURE]"),
        ("ST_GeomFromWKB('0101000020CD0B0000000000000000F03F000000000000F03F')", "[UNSUPPORTED_FEATURE]"),
        ("ST_GeomFromWKB(X'0020000001000010E63FF00000000000003FF0000000000000')", "[UNSUPPORTED_FEATURE]"),
        ("ST_GeomFromWKT('SRID=4326;POINT (1 2)')", "Unknown geometry type: SRID"),
        ("ST_Intersects(ST_PointZ(1, 2, 3, 4326), ST_PointZ(1, 2, 3, 3857))", "different coordinate reference systems"),
        ("ST_Transform(ST_Point(1, 2), 'EPSG:3857')", "must have a coordinate reference system"),
        ("ST_MakeLine(ST_Point(1, 2), ST_MakeEnvelope(0, 0, 1, 1))", "ST_MakeLine only supports"),
        (
            "ST_NumPoints(ST_GeomFromText('MULTIPOINT (0 0, 1 1)'))",
            "Unsupported geometry type: MULTIPOINT, only LineString",
        ),
        ("ST_NRings(ST_GeomFromText('LINESTRING (0 0, 1 1)'))", "Unsupported geometry type: LINESTRING, only Polygon"),
    ],
)
def test_what_the_local_server_cannot_answer_is_refused(session: Session, expression: str, reason: str) -> None:
    with pytest.raises((StatementError, duckdb.Error)) as refused:
        rows_of(session, f"SELECT {expression}")
    assert reason in str(refused.value)


@pytest.mark.parametrize("expression", ["ST_SetSRID(ST_Point(1, 2), id)", "ST_GeomFromEWKT(text)"])
def test_a_srid_that_differs_from_row_to_row_is_refused(session: Session, expression: str) -> None:
    with pytest.raises((StatementError, duckdb.Error), match="must be constant"):
        rows_of(session, f"SELECT {expression} FROM VALUES (1, 'SRID=1;POINT (1 2)') AS t(id, text)")


@pytest.mark.parametrize(
    "expression",
    [
        "ST_AddPoint(g, ST_Point(1, 2))", "ST_AsEWKT(g)", "ST_AsText(g)", "ST_DistanceSphere(g, ST_Point(1, 2))",
        "ST_3DDistance(g, ST_Point(1, 2))", "ST_Envelope(g)", "ST_GeometryType(g)", "ST_HausdorffDistance(g, g)",
        "ST_IsClosed(g)", "ST_LineSegments(g)", "ST_MakeLine(g, ST_Point(1, 2))", "ST_NRings(g)", "ST_NumGeometries(g)",
        "ST_NumPoints(g)", "ST_SetSRID(g, 4326)", "ST_SRID(g)", "ST_Transform(g, 'EPSG:4326', 'EPSG:3857')", "ST_X(g)",
    ],
)  # fmt: skip
def test_of_nothing_comes_nothing(session: Session, expression: str) -> None:
    assert rows_of(session, f"SELECT {expression} FROM (SELECT ST_GeomFromWKT(NULL) AS g)") == [(None,)]


def test_a_column_may_have_the_name_of_anything_inside_a_macro(session: Session) -> None:
    """A macro is text, so that its own names could hide those of a statement."""
    statement = (
        "SELECT ST_AsText(ST_AddPoint(p, q, n)), ST_DWithin(p, q, d, false), ST_AsText(ST_ScaleGeom(p, q, g))"
        " FROM VALUES (ST_GeomFromWKT('LINESTRING (0 0, 2 2)'), ST_Point(1, 3), 1, 0.5D, ST_Point(0, 0))"
        " AS t(p, q, n, d, g)"
    )
    assert rows_of(session, statement) == [("LINESTRING (0 0, 1 3, 2 2)", False, "LINESTRING (0 0, 2 6)")]


def test_names_inside_macros_are_never_shared() -> None:
    macros = SCRIPTS[1].split("CREATE MACRO ")[1:]
    names = [set(re.findall(r"lambda (\w+):", macro)) for macro in macros]
    assert sum(map(len, names)) == len(set().union(*names))
    assert all(name.startswith("_") for found in names for name in found)


@pytest.mark.parametrize(
    "call",
    [
        "st_addpoint({}, ST_Point(1, 2), 1)", "st_boundingdiagonal({})", "st_envelope({})", "st_expand({}, 1)",
        "st_forcecollection({})", "st_forcepolygoncw({})", "st_geomfromwkb(ST_AsWKB({}))",
        "st_geomfromwkt(spark.st_asewkt({}))", "st_linemerge({})", "st_makepoint(spark.st_x({}), 1)",
        "st_rotate({}, 1, 2, 3)", "st_scalegeom({}, ST_Point(2, 2))", "st_translate({}, 1, 1, 1)",
    ],
)  # fmt: skip
def test_a_macro_has_its_argument_once(session: Session, call: str) -> None:
    """What repeats it doubles the text with each level: a million times at the twentieth."""
    expression = "ST_Point(1, 2)"
    for _ in range(20):
        expression = "spark." + call.replace("{}", expression)
    assert session.warehouse.cursor().execute(f"SELECT {expression}").fetchone() is not None
