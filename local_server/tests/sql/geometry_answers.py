"""What Sedona answers, for each of its functions that the local server has, and for what its tutorials do with them.

Those of the functions are in ``geometry_answers.tsv``: the function, where its answer comes from, an expression in the
service's SQL, and its value. A text of coordinates may differ by rounding. No answer comes from the engine under test:
they are examples of Sedona's documentation (``DOCS``), written as JTS writes them; those of SedonaDB 0.5, another
implementation by the same project (``SEDONADB``); and, where neither has one, what Sedona's own code says (``CODE``),
or what a reader can work out in the head (``PLAIN``).
"""

# ruff: noqa: SIM905 - names are read more easily without quotes.

from __future__ import annotations

from ast import literal_eval
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from local_server.tests.sql.answer_files import read_rows

# The functions of geometries in Apache Sedona 1.9: the pages of its SQL API, and its Catalog.scala.
SEDONA = frozenset(
    """
    expandaddress geometrytype parseaddress st_3ddistance st_3ddwithin st_3dextent st_3dmakebox st_addmeasure
    st_addpoint st_affine st_angle st_approximatemedialaxis st_area st_areaspheroid st_asbinary st_asewkb
    st_asewkt st_asgeojson st_asgml st_ashexewkb st_askml st_astext st_azimuth st_bestsrid
    st_binarydistancebandcolumn st_bingtile st_bingtileat st_bingtilecellids st_bingtilepolygon st_bingtilesaround
    st_bingtiletogeom st_bingtilex st_bingtiley st_bingtilezoomlevel st_boundary st_boundingdiagonal st_box2d
    st_box3d st_buffer st_buildarea st_centroid st_closestpoint st_collect st_collect_agg st_collectionextract
    st_concavehull st_contains st_convexhull st_coorddim st_coveredby st_covers st_crosses st_crossesdateline
    st_dbscan st_degrees st_delaunaytriangles st_difference st_dimension st_disjoint st_distance st_distancesphere
    st_distancespheroid st_dump st_dumppoints st_dwithin st_endpoint st_envelope st_envelope_agg st_equals
    st_expand st_extent st_exteriorring st_flipcoordinates st_force2d st_force3d st_force3dm st_force3dz
    st_force4d st_force_2d st_forcecollection st_forcepolygonccw st_forcepolygoncw st_forcerhr st_frechetdistance
    st_generatepoints st_geogcollfromtext st_geogfromewkb st_geogfromewkt st_geogfromgeohash st_geogfromtext
    st_geogfromwkb st_geogfromwkt st_geogtogeometry st_geohash st_geohashneighbor st_geohashneighbors
    st_geomcollfromtext st_geometricmedian st_geometryfromtext st_geometryn st_geometrytype st_geomfrombox2d
    st_geomfromewkb st_geomfromewkt st_geomfromgeohash st_geomfromgeojson st_geomfromgml st_geomfromkml
    st_geomfrommysql st_geomfromtext st_geomfromwkb st_geomfromwkt st_geomtogeography st_glocal st_h3celldistance
    st_h3cellids st_h3kring st_h3togeom st_hasm st_hasz st_hausdorffdistance st_interiorringn st_interpolatepoint
    st_intersection st_intersection_agg st_intersects st_isclosed st_iscollection st_isempty st_islinestringccw
    st_ispolygonccw st_ispolygoncw st_isring st_issimple st_isvalid st_isvaliddetail st_isvalidreason
    st_isvalidtrajectory st_knn st_labelpoint st_length st_length2d st_lengthspheroid st_linefrommultipoint
    st_linefromtext st_linefromwkb st_lineinterpolatepoint st_linelocatepoint st_linemerge st_linesegments
    st_linestringfromtext st_linestringfromwkb st_linesubstring st_localoutlierfactor st_locatealong
    st_longestline st_m st_makebox2d st_makeenvelope st_makeline st_makepoint st_makepointm st_makepolygon
    st_makevalid st_maxdistance st_maximuminscribedcircle st_minimumboundingcircle st_minimumboundingradius
    st_minimumclearance st_minimumclearanceline st_mlinefromtext st_mmax st_mmin st_mpointfromtext
    st_mpolyfromtext st_multi st_ndims st_normalize st_npoints st_nrings st_numgeometries st_numinteriorring
    st_numinteriorrings st_numpoints st_offsetcurve st_orderingequals st_orientedenvelope st_overlaps st_perimeter
    st_perimeter2d st_point st_pointfromgeohash st_pointfromtext st_pointfromwkb st_pointm st_pointn
    st_pointonsurface st_points st_pointz st_pointzm st_polygon st_polygonfromenvelope st_polygonfromtext
    st_polygonize st_project st_reduceprecision st_relate st_relatematch st_removepoint st_removerepeatedpoints
    st_reverse st_rotate st_rotatex st_rotatey st_s2cellids st_s2togeom st_scale st_scalegeom st_segmentize
    st_setpoint st_setsrid st_shiftlongitude st_shortestline st_simplify st_simplifypolygonhull
    st_simplifypreservetopology st_simplifyvw st_snap st_split st_srid st_startpoint st_straightskeleton
    st_subdivide st_subdivideexplode st_symdifference st_touches st_transform st_translate st_triangulatepolygon
    st_unaryunion st_union st_union_agg st_voronoipolygons st_weighteddistancebandcolumn st_within st_x st_xmax
    st_xmin st_y st_ymax st_ymin st_z st_zmax st_zmflag st_zmin
    """.split()
)


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
    """A statement and its rows.

    :param sql: in the service's SQL.
    :param rows: in the order in which the statement puts them.
    :param tables: the rows of the tables that it reads, by name.
    """

    sql: str
    rows: list[tuple[object, ...]]
    tables: Mapping[str, str] = MappingProxyType({})

    @property
    def statement(self) -> str:
        """The statement with its tables."""
        tables = ", ".join(f"{name} AS (FROM VALUES {rows} SELECT *)" for name, rows in self.tables.items())
        return f"WITH {tables} {self.sql}" if tables else self.sql


POINTS = "('a', ST_Point(0, 0)), ('b', ST_Point(7, 3)), ('c', ST_Point(2, 2)) AS t(id, geometry)"
POLYGONS = (
    "('x', ST_GeomFromWKT('POLYGON ((1 1, 1 4, 4 4, 4 1, 1 1))')),"
    " ('y', ST_GeomFromWKT('POLYGON ((6 2, 6 4, 8 4, 8 2, 6 2))')) AS t(id, geometry)"
)
ADDRESSES = "('a1', 2.0, 3.0), ('a2', 5.0, 5.0), ('a3', 7.0, 2.0) AS t(id, longitude, latitude)"
SHOPS = "('c1', 1.0, 4.0), ('c2', 3.0, 5.0), ('c3', 5.0, 1.0), ('c4', 8.0, 4.0) AS t(id, longitude, latitude)"
TRANSIT = (
    "('t1', ST_Point(1, 4)), ('t2', ST_Point(3, 4)), ('t3', ST_Point(5, 2)), ('t4', ST_Point(8, 4)) AS t(id, geometry)"
)
CITIES = (
    "('seattle', -122.335167, 47.608013), ('new york', -73.935242, 40.730610), ('sydney', 151.2, -33.9)"
    " AS t(name, longitude, latitude)"
)
RAW = "('1.5', '2.5'), ('4.0', '8.0'), (NULL, '1.0') AS t(_c0, _c1)"
COUNTIES = (
    "('POLYGON ((0 0, 0 4, 4 4, 4 0, 0 0))', '31', 'Cuming'), ('POLYGON ((10 10, 10 12, 12 12, 12 10, 10 10))', '53',"
    " 'Wahkiakum') AS t(_c0, _c1, _c2)"
)
TRIPS = (
    "(1, 10.0, ST_Point(2, 2)), (2, 20.0, ST_Point(3, 3)), (3, 5.0, ST_Point(7, 3)), (4, 1.0, ST_Point(20, 20))"
    " AS t(trip, fare, start)"
)
FEATURES = (
    '(1, \'{"type": "Point", "coordinates": [102.0, 0.5]}\'),'
    ' (2, \'{"type": "LineString", "coordinates": [[102, 0], [103, 1], [104, 0]]}\'),'
    ' (3, \'{"type": "Feature", "properties": {"prop0": "value0"}, "geometry": {"type": "Polygon", "coordinates":'
    " [[[100, 0], [101, 0], [101, 1], [100, 1], [100, 0]]]}}') AS t(id, json)"
)

# What Sedona's tutorials do, over tables small enough to see the answer.
QUERIES = [
    Query(
        "SELECT points.id AS point_id, polygons.id AS polygon_id FROM points"
        " LEFT JOIN polygons ON ST_Within(points.geometry, polygons.geometry) ORDER BY 1",
        [("a", None), ("b", "y"), ("c", "x")],
        {"points": POINTS, "polygons": POLYGONS},
    ),
    Query(
        "SELECT id FROM points WHERE NOT EXISTS"
        " (SELECT 1 FROM polygons WHERE ST_Covers(polygons.geometry, points.geometry))",
        [("a",)],
        {"points": POINTS, "polygons": POLYGONS},
    ),
    Query(
        "SELECT points.id FROM points LEFT SEMI JOIN polygons"
        " ON ST_CoveredBy(points.geometry, polygons.geometry) ORDER BY id",
        [("b",), ("c",)],
        {"points": POINTS, "polygons": POLYGONS},
    ),
    Query(
        "SELECT transit.id FROM VALUES ('p1', ST_Point(4.5, 3)) AS points(id, geometry) JOIN transit ON"
        " ST_DWithin(points.geometry, transit.geometry, 2.5) ORDER BY 1",
        [("t2",), ("t3",)],
        {"transit": TRANSIT},
    ),
    Query(
        "SELECT address, shop FROM (SELECT a.id AS address, c.id AS"
        " shop, row_number() OVER (PARTITION BY a.id ORDER BY ST_Distance(ST_Point(a.longitude, a.latitude),"
        " ST_Point(c.longitude, c.latitude))) AS place FROM addresses a CROSS JOIN coffee_shops c) WHERE place <= 2"
        " ORDER BY address, shop",
        [("a1", "c1"), ("a1", "c2"), ("a2", "c2"), ("a2", "c4"), ("a3", "c3"), ("a3", "c4")],
        {"addresses": ADDRESSES, "coffee_shops": SHOPS},
    ),
    Query(
        "SELECT min_by(id, ST_Distance(ST_Point(longitude, latitude), ST_Point(5, 0))) FROM coffee_shops",
        [("c3",)],
        {"coffee_shops": SHOPS},
    ),
    Query(
        "SELECT a.name, b.name FROM cities a, cities b WHERE a.name < b.name AND ST_DWithin("
        "ST_Point(a.longitude, a.latitude), ST_Point(b.longitude, b.latitude), 4000000, true)",
        [("new york", "seattle")],
        {"cities": CITIES},
    ),
    Query(
        "SELECT count(*) FROM points WHERE ST_Intersects(geometry, ST_MakeEnvelope(0, 0, 2, 2))",
        [(2,)],
        {"points": POINTS},
    ),
    Query(
        "SELECT _c2, ST_Area(countyshape) FROM (SELECT ST_GeomFromWKT(_c0) AS countyshape, _c1,"
        " _c2 FROM rawdf) ORDER BY _c1",
        [("Cuming", 16.0), ("Wahkiakum", 4.0)],
        {"rawdf": COUNTIES},
    ),
    Query(
        "SELECT ST_AsText(ST_Point(cast(pointraw._c0 AS Decimal(24,20)), cast(pointraw._c1 AS"
        " Decimal(24,20)))) AS pointshape FROM pointraw ORDER BY _c1",
        [(None,), ("POINT (1.5 2.5)",), ("POINT (4 8)",)],
        {"pointraw": RAW},
    ),
    Query(
        "SELECT id, ST_AsEWKT(ST_GeomFromWKT(wkt, 4326)) FROM VALUES (1, 'POINT (1 2)'), (2, NULL) AS t(id, wkt)"
        " ORDER BY id",
        [(1, "SRID=4326;POINT (1 2)"), (2, None)],
    ),
    Query(
        "SELECT ST_GeometryType(ST_GeomFromWKT(wkt)) AS kind, count(*) FROM VALUES ('POINT (1 1)'), ('POINT (2 2)'),"
        " ('LINESTRING (0 0, 1 1)') AS t(wkt) GROUP BY kind ORDER BY kind",
        [("ST_LineString", 1), ("ST_Point", 2)],
    ),
    Query(
        "SELECT id, ST_AsText(ST_GeomFromGeoJSON(json)) FROM features ORDER BY id",
        [
            (1, "POINT (102 0.5)"),
            (2, "LINESTRING (102 0, 103 1, 104 0)"),
            (3, "POLYGON ((100 0, 101 0, 101 1, 100 1, 100 0))"),
        ],
        {"features": FEATURES},
    ),
    Query(
        "SELECT get_json_object(json, '$.properties.prop0'), ST_Area(ST_GeomFromGeoJSON("
        "json)) FROM features WHERE id = 3",
        [("value0", 1.0)],
        {"features": FEATURES},
    ),
    Query(
        "SELECT ST_SRID(g), ST_SRID(ST_Envelope(g)), ST_SRID(ST_Buffer(g, 1)), ST_SRID(ST_StartPoint(g)),"
        " ST_SRID(ST_Union(g, g)), ST_SRID(ST_GeometryN(g, 0)), ST_SRID(ST_LineMerge(g)), ST_SRID(ST_AddPoint(g,"
        " ST_Point(5, 5))) FROM VALUES (ST_GeomFromWKT('LINESTRING (0 0, 1 1)', 4326)) AS t(g)",
        [(4326, 4326, 4326, 4326, 4326, 4326, 4326, 4326)],
    ),
    Query(
        "SELECT z.id, count(t.trip), sum(t.fare) FROM zones z LEFT JOIN trips t"
        " ON ST_Contains(z.geometry, t.start) GROUP BY z.id ORDER BY z.id",
        [("x", 2, Decimal("30.0")), ("y", 1, Decimal("5.0"))],
        {"trips": TRIPS, "zones": POLYGONS},
    ),
    Query(
        "SELECT ST_AsText(ST_Envelope(ST_Union_Aggr(geometry))) FROM zones",
        [("POLYGON ((1 1, 1 4, 8 4, 8 1, 1 1))",)],
        {"zones": POLYGONS},
    ),
    Query(
        "SELECT sum(ST_Area(geometry)), ST_Area(ST_Union_Agg(geometry)), ST_Area(ST_Envelope_Agg(geometry)) FROM zones",
        [(13.0, 13.0, 21.0)],
        {"zones": POLYGONS},
    ),
    Query(
        "SELECT ST_AsText(ST_Centroid(ST_Collect_Agg(start))) FROM trips WHERE trip < 4",
        [("POINT (4 2.6666666666666665)",)],
        {"trips": TRIPS},
    ),
    Query(
        "SELECT ST_AsText(ST_MakeLine(collect_list(start))) FROM (SELECT start FROM trips ORDER BY trip)",
        [("LINESTRING (2 2, 3 3, 7 3, 20 20)",)],
        {"trips": TRIPS},
    ),
    Query(
        "SELECT ST_AsText(ST_Union_Agg(geometry) FILTER (WHERE id = 'x')) FROM zones",
        [("POLYGON ((1 1, 1 4, 4 4, 4 1, 1 1))",)],
        {"zones": POLYGONS},
    ),
    Query(
        "SELECT ST_AsText(p) FROM (SELECT explode(ST_Dump(ST_GeomFromWKT('MULTIPOINT (1 1, 2 2)'))) AS p) ORDER BY 1",
        [("POINT (1 1)",), ("POINT (2 2)",)],
    ),
    Query(
        "SELECT id, ST_X(p) FROM VALUES ('l', ST_GeomFromWKT('LINESTRING (5 0, 6 1)')) AS t(id, g) LATERAL VIEW"
        " explode(ST_DumpPoints(g)) AS p ORDER BY 2",
        [("l", 5.0), ("l", 6.0)],
    ),
    Query(
        "SELECT CASE WHEN ST_Area(geometry) > 5 THEN 'large' ELSE 'small' END, ST_NPoints(geometry),"
        " ST_XMin(geometry), ST_YMax(geometry) FROM polygons ORDER BY id",
        [("large", 5, 1.0, 4.0), ("small", 5, 6.0, 4.0)],
        {"polygons": POLYGONS},
    ),
]
