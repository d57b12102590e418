"""What Sedona answers, for each of its functions that the local server has, and for what its tutorials do with them.

Those of the functions are in ``geometry_answers.tsv``: the function, where its answer comes from, an expression in the
service's SQL, and its value. A text of coordinates may differ by rounding. No answer comes from the engine under test:
they are examples of Sedona's documentation (``DOCS``), written as JTS writes them; those of SedonaDB 0.5, another
implementation by the same project (``SEDONADB``); and, where neither has one, what Sedona's own code says (``CODE``),
or what a reader can work out in the head (``PLAIN``). Those of the tutorials are in ``tutorial_answers.tsv``: the
statement, and its rows.
"""

from __future__ import annotations

from ast import literal_eval
from typing import NamedTuple

from dev.coverage import families
from local_server.tests.sql.answer_files import read_rows

SEDONA = frozenset(name for family, names in families().items() if family.startswith("Sedona: ") for name in names)
"""The functions of geometries in Apache Sedona 1.9: the pages of its SQL API, and its Catalog.scala."""


class Answer(NamedTuple):
    """A function, an expression with it, and the expression's value."""

    function: str
    expression: str
    value: object


SHAPES = {
    "HOLED": "ST_GeomFromText('POLYGON ((0 0, 0 5, 5 5, 5 0, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))')",
    "TRIANGLE": "ST_GeomFromWKT('POLYGON ((175 150, 20 40, 50 60, 125 100, 175 150))')",
    "SQUARE": "ST_GeomFromWKT('POLYGON ((-3 -3, 3 -3, 3 3, -3 3, -3 -3))')",
    "PATH": "ST_GeomFromWKT('LINESTRING (25 50, 100 125, 150 190)')",
    "CLOCKWISE": "ST_GeomFromText('POLYGON ((20 35, 45 20, 30 5, 10 10, 10 30, 20 35), (30 20, 20 25, 20 15, 30 20))')",
    "COUNTER": "ST_GeomFromText('POLYGON ((20 35, 10 30, 10 10, 30 5, 45 20, 20 35), (30 20, 20 15, 20 25, 30 20))')",
    "RAGGED": (
        "ST_GeomFromText('POLYGON ((8 25, 28 22, 28 20, 15 11, 33 3, 56 30, 46 33, 46 34, 47 44, 35 36, 45 33, 43 19,"
        " 29 21, 29 22, 35 26, 24 39, 8 25))')"
    ),
    "MEASURED": "ST_GeomFromWKT('POLYGON ZM ((30 10 5 1, 40 40 10 2, 20 40 15 3, 10 20 20 4, 30 10 5 1))')",
    "TALL": "ST_GeomFromText('POLYGON Z ((0 0 2, 0 5 2, 5 0 2, 0 0 2), (1 1 2, 3 1 2, 1 3 2, 1 1 2))')",
    "ROOF": "ST_GeomFromEWKT('SRID=4326;POLYGON ((0 0, 1 0, 1 1, 0 0))')",
    "LONDON": "ST_GeomFromWKT('POINT (-0.56 51.3168)')",
    "EDINBURGH": "ST_GeomFromWKT('POINT (-3.1883 55.9533)')",
    "DELTA": "ST_GeomFromText('POLYGON ((30 10, 40 40, 20 40, 10 20, 30 10))')",
    "KITE": "ST_GeomFromText('POLYGON ((10 20, 30 30, 40 20, 30 10, 10 20))')",
    "LINES": "ST_GeomFromText('LINESTRING (77.29 29.07, 77.42 29.26, 77.27 29.31, 77.29 29.07)')",
    "TEN_POINTS": (
        "ST_GeomFromText('MULTIPOINT (1.1 101.1, 2.1 102.1, 3.1 103.1, 4.1 104.1, 5.1 105.1, 6.1 106.1, 7.1 107.1,"
        " 8.1 108.1, 9.1 109.1, 10.1 110.1)')"
    ),
    "BOX": "ST_GeomFromWKT('POLYGON ((1 1, 8 1, 8 8, 1 8, 1 1))')",
}
FUNCTIONS = [
    Answer(function, expression, literal_eval(value))
    for function, _source, expression, value in read_rows("geometry_answers.tsv", SHAPES)
]


class Query(NamedTuple):
    """A statement, and its rows in the order in which it puts them."""

    statement: str
    rows: list[tuple[object, ...]]


TABLES = {
    "points": "('a', ST_Point(0, 0)), ('b', ST_Point(7, 3)), ('c', ST_Point(2, 2)) AS t(id, geometry)",
    "polygons": (
        "('x', ST_GeomFromWKT('POLYGON ((1 1, 1 4, 4 4, 4 1, 1 1))')),"
        " ('y', ST_GeomFromWKT('POLYGON ((6 2, 6 4, 8 4, 8 2, 6 2))')) AS t(id, geometry)"
    ),
    "addresses": "('a1', 2.0, 3.0), ('a2', 5.0, 5.0), ('a3', 7.0, 2.0) AS t(id, longitude, latitude)",
    "coffee_shops": (
        "('c1', 1.0, 4.0), ('c2', 3.0, 5.0), ('c3', 5.0, 1.0), ('c4', 8.0, 4.0) AS t(id, longitude, latitude)"
    ),
    "transit": (
        "('t1', ST_Point(1, 4)), ('t2', ST_Point(3, 4)), ('t3', ST_Point(5, 2)), ('t4', ST_Point(8, 4))"
        " AS t(id, geometry)"
    ),
    "cities": (
        "('seattle', -122.335167, 47.608013), ('new york', -73.935242, 40.730610), ('sydney', 151.2, -33.9)"
        " AS t(name, longitude, latitude)"
    ),
    "pointraw": "('1.5', '2.5'), ('4.0', '8.0'), (NULL, '1.0') AS t(_c0, _c1)",
    "rawdf": (
        "('POLYGON ((0 0, 0 4, 4 4, 4 0, 0 0))', '31', 'Cuming'),"
        " ('POLYGON ((10 10, 10 12, 12 12, 12 10, 10 10))', '53', 'Wahkiakum') AS t(_c0, _c1, _c2)"
    ),
    "trips": (
        "(1, 10.0, ST_Point(2, 2)), (2, 20.0, ST_Point(3, 3)), (3, 5.0, ST_Point(7, 3)), (4, 1.0, ST_Point(20, 20))"
        " AS t(trip, fare, start)"
    ),
    "features": (
        '(1, \'{"type": "Point", "coordinates": [102.0, 0.5]}\'),'
        ' (2, \'{"type": "LineString", "coordinates": [[102, 0], [103, 1], [104, 0]]}\'),'
        ' (3, \'{"type": "Feature", "properties": {"prop0": "value0"}, "geometry": {"type": "Polygon", "coordinates":'
        " [[[100, 0], [101, 0], [101, 1], [100, 1], [100, 0]]]}}') AS t(id, json)"
    ),
}
QUERIES = [
    Query(statement, literal_eval(rows))
    for statement, rows in read_rows(
        "tutorial_answers.tsv", {name: f"{name} AS (FROM VALUES {rows} SELECT *)" for name, rows in TABLES.items()}
    )
]
