"""What Sedona answers, for each of its functions that the local server has, and for what its tutorials do with them.

The answers come from these places and never from the engine under test: the examples of Sedona's documentation
(``DOCS``), written as JTS writes them; SedonaDB 0.5, another implementation by the same project (``SEDONADB``); and,
where neither has one, what Sedona's own code says (``CODE``), or what a reader can work out in the head (``PLAIN``).
"""

# ruff: noqa: SIM905 - names are read more easily without quotes.

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

DOCS = "documentation"
SEDONADB = "SedonaDB 0.5"
CODE = "Sedona's code"
PLAIN = "arithmetic"

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
    """An expression and its value.

    :param function: the function that it is about.
    :param expression: in the service's SQL.
    :param value: its value; a text of coordinates may differ by rounding.
    :param source: where the value comes from.
    """

    function: str
    expression: str
    value: object
    source: str


HOLED = "ST_GeomFromText('POLYGON ((0 0, 0 5, 5 5, 5 0, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))')"
TRIANGLE = "ST_GeomFromWKT('POLYGON ((175 150, 20 40, 50 60, 125 100, 175 150))')"
SQUARE = "ST_GeomFromWKT('POLYGON ((-3 -3, 3 -3, 3 3, -3 3, -3 -3))')"
PATH = "ST_GeomFromWKT('LINESTRING (25 50, 100 125, 150 190)')"
CLOCKWISE = "ST_GeomFromText('POLYGON ((20 35, 45 20, 30 5, 10 10, 10 30, 20 35), (30 20, 20 25, 20 15, 30 20))')"
COUNTER = "ST_GeomFromText('POLYGON ((20 35, 10 30, 10 10, 30 5, 45 20, 20 35), (30 20, 20 15, 20 25, 30 20))')"
RAGGED = (
    "ST_GeomFromText('POLYGON ((8 25, 28 22, 28 20, 15 11, 33 3, 56 30, 46 33, 46 34, 47 44, 35 36, 45 33, 43 19,"
    " 29 21, 29 22, 35 26, 24 39, 8 25))')"
)
MEASURED = "ST_GeomFromWKT('POLYGON ZM ((30 10 5 1, 40 40 10 2, 20 40 15 3, 10 20 20 4, 30 10 5 1))')"
TALL = "ST_GeomFromText('POLYGON Z ((0 0 2, 0 5 2, 5 0 2, 0 0 2), (1 1 2, 3 1 2, 1 3 2, 1 1 2))')"
ROOF = "ST_GeomFromEWKT('SRID=4326;POLYGON ((0 0, 1 0, 1 1, 0 0))')"
LONDON, EDINBURGH = "ST_GeomFromWKT('POINT (-0.56 51.3168)')", "ST_GeomFromWKT('POINT (-3.1883 55.9533)')"
DELTA = "ST_GeomFromText('POLYGON ((30 10, 40 40, 20 40, 10 20, 30 10))')"
KITE = "ST_GeomFromText('POLYGON ((10 20, 30 30, 40 20, 30 10, 10 20))')"
LINES = "ST_GeomFromText('LINESTRING (77.29 29.07, 77.42 29.26, 77.27 29.31, 77.29 29.07)')"
TEN_POINTS = (
    "ST_GeomFromText('MULTIPOINT (1.1 101.1, 2.1 102.1, 3.1 103.1, 4.1 104.1, 5.1 105.1, 6.1 106.1, 7.1 107.1,"
    " 8.1 108.1, 9.1 109.1, 10.1 110.1)')"
)
BOX = "ST_GeomFromWKT('POLYGON ((1 1, 8 1, 8 8, 1 8, 1 1))')"


def equal(expression: str, wkt: str) -> str:
    """Return a comparison of shapes, for answers whose rings may start anywhere."""
    return f"ST_Equals({expression}, ST_GeomFromWKT('{wkt}'))"


FUNCTIONS = [
    # Constructors.
    Answer("ST_GeomFromWKT", "ST_AsText(ST_GeomFromWKT('POINT (40.7128 -74.0060)'))", "POINT (40.7128 -74.006)", DOCS),
    Answer("ST_GeomFromWKT", "ST_AsEWKT(ST_GeomFromWKT('POINT (1 2)', 4326))", "SRID=4326;POINT (1 2)", SEDONADB),
    Answer("ST_GeomFromWKT", "ST_ZMax(ST_GeomFromWKT('POLYGON ((0 0 1, 1 1 1, 1 2 1, 1 1 1, 0 0 1))'))", 1.0, DOCS),
    Answer(
        "ST_GeomFromText", "ST_AsText(ST_GeomFromText('POINT (40.7128 -74.0060)'))", "POINT (40.7128 -74.006)", DOCS
    ),
    Answer("ST_GeomFromText", "ST_SRID(ST_GeomFromText('POINT (1 2)', 3857))", 3857, SEDONADB),
    Answer(
        "ST_GeometryFromText",
        "ST_AsText(ST_GeometryFromText('POINT (40.7128 -74.0060)'))",
        "POINT (40.7128 -74.006)",
        DOCS,
    ),
    Answer(
        "ST_GeomFromEWKT",
        "ST_AsText(ST_GeomFromEWKT('SRID=4269;POINT(40.7128 -74.0060)'))",
        "POINT (40.7128 -74.006)",
        DOCS,
    ),
    Answer("ST_GeomFromEWKT", "ST_SRID(ST_GeomFromEWKT('SRID=4269;POINT(40.7128 -74.0060)'))", 4269, SEDONADB),
    Answer(
        "ST_GeomFromWKB",
        "ST_AsText(ST_GeomFromWKB(X'0102000000020000000000000084D600C00000000080B5D6BF00000060E1EFF7BF00000080075DE5BF'))",
        "LINESTRING (-2.1047439575195312 -0.354827880859375, -1.49606454372406 -0.6676061153411865)",
        DOCS,
    ),
    Answer(
        "ST_GeomFromWKB",
        "ST_AsText(ST_GeomFromWKB('0101000000000000000000F03F0000000000000040'))",
        "POINT (1 2)",
        PLAIN,
    ),
    Answer(
        "ST_GeomFromEWKB",
        "ST_AsText(ST_GeomFromEWKB(X'0101000000000000000000F03F0000000000000040'))",
        "POINT (1 2)",
        SEDONADB,
    ),
    Answer(
        "ST_PointFromWKB",
        "ST_AsText(ST_PointFromWKB(X'010100000000000000000024400000000000002E40'))",
        "POINT (10 15)",
        DOCS,
    ),
    Answer(
        "ST_PointFromWKB",
        "ST_PointFromWKB(X'0102000000020000000000000084D600C00000000080B5D6BF00000060E1EFF7BF00000080075DE5BF')",
        None,
        DOCS,
    ),
    Answer(
        "ST_LineFromWKB",
        "ST_AsText(ST_LineFromWKB(X'0102000000020000000000000084D600C00000000080B5D6BF00000060E1EFF7BF00000080075DE5BF'))",
        "LINESTRING (-2.1047439575195312 -0.354827880859375, -1.49606454372406 -0.6676061153411865)",
        DOCS,
    ),
    Answer(
        "ST_LinestringFromWKB",
        "ST_AsText(ST_LinestringFromWKB(X'0102000000020000000000000084D600C00000000080B5D6BF00000060E1EFF7BF00000080075DE5BF'))",
        "LINESTRING (-2.1047439575195312 -0.354827880859375, -1.49606454372406 -0.6676061153411865)",
        DOCS,
    ),
    Answer("ST_LineFromText", "ST_AsText(ST_LineFromText('Linestring (1 2, 3 4)'))", "LINESTRING (1 2, 3 4)", DOCS),
    Answer("ST_LineFromText", "ST_LineFromText('POINT (1 2)')", None, CODE),
    Answer(
        "ST_MLineFromText",
        "ST_AsText(ST_MLineFromText('MULTILINESTRING ((1 2, 3 4), (4 5, 6 7))'))",
        "MULTILINESTRING ((1 2, 3 4), (4 5, 6 7))",
        DOCS,
    ),
    Answer(
        "ST_MLineFromText", "ST_SRID(ST_MLineFromText('MULTILINESTRING ((1 2, 3 4), (4 5, 6 7))', 4269))", 4269, DOCS
    ),
    Answer(
        "ST_MPointFromText",
        "ST_AsText(ST_MPointFromText('MULTIPOINT ((10 10), (20 20))'))",
        "MULTIPOINT ((10 10), (20 20))",
        DOCS,
    ),
    Answer("ST_MPointFromText", "ST_MPointFromText('POINT (1 2)')", None, DOCS),
    Answer(
        "ST_MPolyFromText",
        "ST_AsEWKT(ST_MPolyFromText('MULTIPOLYGON (((0 0, 0 1, 1 1, 0 0)))', 4269))",
        "SRID=4269;MULTIPOLYGON (((0 0, 0 1, 1 1, 0 0)))",
        SEDONADB,
    ),
    Answer(
        "ST_GeomCollFromText",
        "ST_AsText(ST_GeomCollFromText('GEOMETRYCOLLECTION (POINT (50 50), LINESTRING (20 30, 40 60, 80 90))'))",
        "GEOMETRYCOLLECTION (POINT (50 50), LINESTRING (20 30, 40 60, 80 90))",
        DOCS,
    ),
    Answer("ST_GeomCollFromText", "ST_GeomCollFromText('POINT (1 2)')", None, DOCS),
    Answer(
        "ST_LineStringFromText",
        "ST_AsText(ST_LineStringFromText('-74.0428197,40.6867969,-74.0421975,40.6921336,-74.0508020,40.6912794', ','))",
        "LINESTRING (-74.0428197 40.6867969, -74.0421975 40.6921336, -74.050802 40.6912794)",
        DOCS,
    ),
    Answer("ST_PointFromText", "ST_AsText(ST_PointFromText('40.7128,-74.0060', ','))", "POINT (40.7128 -74.006)", DOCS),
    Answer(
        "ST_PolygonFromText",
        "ST_AsText(ST_PolygonFromText('-74.0428197,40.6867969,-74.0421975,40.6921336,-74.0508020,40.6912794,"
        "-74.0428197,40.6867969', ','))",
        "POLYGON ((-74.0428197 40.6867969, -74.0421975 40.6921336, -74.050802 40.6912794, -74.0428197 40.6867969))",
        DOCS,
    ),
    Answer(
        "ST_GeomFromGeoJSON",
        'ST_AsText(ST_GeomFromGeoJSON(\'{"type": "Polygon", "coordinates": [[[-87.621765, 34.873444],'
        " [-87.617535, 34.873369], [-87.62119, 34.85053], [-87.621765, 34.873444]]]}'))",
        "POLYGON ((-87.621765 34.873444, -87.617535 34.873369, -87.62119 34.85053, -87.621765 34.873444))",
        DOCS,
    ),
    Answer(
        "ST_GeomFromGeoJSON",
        'ST_AsText(ST_GeomFromGeoJSON(\'{"type": "Feature", "properties": {"NAME": "5"}, "geometry":'
        ' {"type": "Point", "coordinates": [-87.621765, 34.873444]}}\'))',
        "POINT (-87.621765 34.873444)",
        DOCS,
    ),
    Answer("ST_Point", "ST_AsText(ST_Point(1.23, 4.56))", "POINT (1.23 4.56)", SEDONADB),
    Answer("ST_MakePoint", "ST_AsText(ST_MakePoint(1.2345, 2.3456))", "POINT (1.2345 2.3456)", DOCS),
    Answer("ST_MakePoint", "ST_AsText(ST_MakePoint(1.0, 1.0, 1.0, 1.0))", "POINT ZM(1 1 1 1)", DOCS),
    Answer("ST_MakePointM", "ST_AsText(ST_MakePointM(1.0, 1.0, 1.0))", "POINT M(1 1 1)", DOCS),
    Answer("ST_PointZ", "ST_AsEWKT(ST_PointZ(1.2345, 2.3456, 3.4567))", "POINT Z(1.2345 2.3456 3.4567)", DOCS),
    Answer("ST_PointZ", "ST_AsEWKT(ST_PointZ(1.0, 2.0, 3.0, 4326))", "SRID=4326;POINT Z(1 2 3)", CODE),
    Answer("ST_PointM", "ST_AsEWKT(ST_PointM(1.2345, 2.3456, 3.4567))", "POINT ZM(1.2345 2.3456 0 3.4567)", DOCS),
    Answer(
        "ST_PointZM", "ST_AsEWKT(ST_PointZM(1.2345, 2.3456, 3.4567, 100))", "POINT ZM(1.2345 2.3456 3.4567 100)", DOCS
    ),
    Answer(
        "ST_MakeEnvelope",
        "ST_AsEWKT(ST_MakeEnvelope(1.234, 2.234, 3.345, 3.345, 4236))",
        "SRID=4236;POLYGON ((1.234 2.234, 1.234 3.345, 3.345 3.345, 3.345 2.234, 1.234 2.234))",
        DOCS,
    ),
    Answer(
        "ST_PolygonFromEnvelope",
        "ST_AsText(ST_PolygonFromEnvelope(double(1.234), double(2.234), double(3.345), double(3.345)))",
        "POLYGON ((1.234 2.234, 1.234 3.345, 3.345 3.345, 3.345 2.234, 1.234 2.234))",
        DOCS,
    ),
    Answer(
        "ST_Polygon",
        "ST_AsEWKT(ST_Polygon(ST_GeomFromEWKT('LINESTRING (75 29 1, 77 29 2, 77 29 3, 75 29 1)'), 4326))",
        "SRID=4326;POLYGON Z((75 29 1, 77 29 2, 77 29 3, 75 29 1))",
        DOCS,
    ),
    # The reference system.
    Answer("ST_SetSRID", f"ST_AsEWKT(ST_SetSRID({BOX}, 3021))", "SRID=3021;POLYGON ((1 1, 8 1, 8 8, 1 8, 1 1))", DOCS),
    Answer(
        "ST_SetSRID", f"ST_AsEWKT(ST_SetSRID(ST_SetSRID({BOX}, 3021), 0))", "POLYGON ((1 1, 8 1, 8 8, 1 8, 1 1))", PLAIN
    ),
    Answer("ST_SRID", f"ST_SRID(ST_SetSRID({BOX}, 3021))", 3021, DOCS),
    Answer("ST_SRID", f"ST_SRID(ST_Centroid(ST_SetSRID({BOX}, 3021)))", 3021, SEDONADB),
    Answer("ST_SRID", "ST_SRID(ST_Point(1, 2))", 0, SEDONADB),
    Answer(
        "ST_Transform",
        "ST_AsText(ST_Transform(ST_GeomFromWKT('POINT (1 2)', 4326), 'EPSG:3857'))",
        "POINT (111319.49079327357 222684.20850554405)",
        SEDONADB,
    ),
    Answer(
        "ST_Transform",
        "ST_AsEWKT(ST_Transform(ST_Point(-71.01, 42.37), 'epsg:4326', 'epsg:3857'))",
        "SRID=3857;POINT (-7904797.041230357 5216565.79859694)",
        SEDONADB,
    ),
    Answer(
        "ST_Transform",
        "ST_SRID(ST_Transform(ST_Point(-71.01, 42.37), 'EPSG:4326', 'EPSG:32619', true))",
        32619,
        CODE,
    ),
    # Output.
    Answer("ST_AsText", "ST_AsText(ST_SetSRID(ST_Point(1.0, 1.0), 3021))", "POINT (1 1)", DOCS),
    Answer("ST_AsText", "ST_AsText(ST_GeomFromWKT('MULTIPOINT (1 2, 3 4)'))", "MULTIPOINT ((1 2), (3 4))", DOCS),
    Answer("ST_AsText", "ST_AsText(ST_Point(1e-9, 1e22))", "POINT (0.000000001 10000000000000000000000)", SEDONADB),
    Answer(
        "ST_AsText",
        "ST_AsText(ST_GeomFromWKT('POINT (0.1 0.30000000000000004)'))",
        "POINT (0.1 0.30000000000000004)",
        SEDONADB,
    ),
    Answer(
        "ST_AsEWKT",
        "ST_AsEWKT(ST_SetSrid(ST_GeomFromWKT('POLYGON((0 0,0 1,1 1,1 0,0 0))'), 4326))",
        "SRID=4326;POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))",
        DOCS,
    ),
    Answer("ST_AsEWKT", "ST_AsEWKT(ST_MakePointM(1.0, 1.0, 1.0))", "POINT M(1 1 1)", DOCS),
    Answer(
        "ST_AsBinary",
        "hex(ST_AsBinary(ST_GeomFromWKT('POINT (1 1)')))",
        "0101000000000000000000F03F000000000000F03F",
        SEDONADB,
    ),
    Answer(
        "ST_AsEWKB",
        "hex(ST_AsEWKB(ST_SetSrid(ST_GeomFromWKT('POINT (1 1)'), 3021)))",
        "0101000020CD0B0000000000000000F03F000000000000F03F",
        DOCS,
    ),
    Answer(
        "ST_AsHEXEWKB",
        "ST_AsHEXEWKB(ST_GeomFromWKT('LINESTRING (30 20, 20 25, 20 15, 30 20)'))",
        "0102000000040000000000000000003E4000000000000034400000000000003440000000000000394000000000000034400000000000002E40"
        "0000000000003E400000000000003440",
        DOCS,
    ),
    Answer(
        "ST_AsGeoJSON",
        f"ST_AsGeoJSON({BOX})",
        '{"type":"Polygon","coordinates":[[[1.0,1.0],[8.0,1.0],[8.0,8.0],[1.0,8.0],[1.0,1.0]]]}',
        DOCS,
    ),
    # Accessors.
    Answer("GeometryType", f"GeometryType({LINES})", "LINESTRING", DOCS),
    Answer("GeometryType", "GeometryType(ST_GeomFromText('POINTM(0 0 1)'))", "POINTM", DOCS),
    Answer("ST_GeometryType", f"ST_GeometryType({LINES})", "ST_LineString", SEDONADB),
    Answer(
        "ST_GeometryType",
        "ST_GeometryType(ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'))",
        "ST_GeometryCollection",
        SEDONADB,
    ),
    Answer(
        "ST_Boundary",
        "ST_AsText(ST_Boundary(ST_GeomFromWKT('POLYGON((1 1, 0 0, -1 1, 1 1))')))",
        "LINESTRING (1 1, 0 0, -1 1, 1 1)",
        DOCS,
    ),
    Answer("ST_CoordDim", "ST_CoordDim(ST_GeomFromText('POINT (1 1 2)'))", 3, DOCS),
    Answer("ST_NDims", "ST_NDims(ST_GeomFromText('POINT (1 1)'))", 2, DOCS),
    Answer("ST_NDims", "ST_NDims(ST_GeomFromEWKT('POINT (1 1 2)'))", 3, DOCS),
    Answer(
        "ST_Dimension",
        "ST_Dimension(ST_GeomFromText('GEOMETRYCOLLECTION (LINESTRING (1 1, 0 0), POINT (0 0))'))",
        1,
        DOCS,
    ),
    Answer("ST_Dimension", "ST_Dimension(ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'))", 0, DOCS),
    Answer(
        "ST_Dump",
        "transform(ST_Dump(ST_GeomFromText('MULTIPOINT ((10 40), (40 30), (20 20), (30 10))')), p -> ST_AsText(p))",
        ["POINT (10 40)", "POINT (40 30)", "POINT (20 20)", "POINT (30 10)"],
        DOCS,
    ),
    Answer("ST_Dump", "size(ST_Dump(ST_Point(1, 2)))", 1, DOCS),
    Answer(
        "ST_DumpPoints",
        "transform(ST_DumpPoints(ST_GeomFromText('POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))')), p -> ST_AsText(p))",
        ["POINT (0 0)", "POINT (0 1)", "POINT (1 1)", "POINT (1 0)", "POINT (0 0)"],
        DOCS,
    ),
    Answer(
        "ST_StartPoint",
        "ST_AsText(ST_StartPoint(ST_GeomFromText('LINESTRING (100 150, 50 60, 70 80, 160 170)')))",
        "POINT (100 150)",
        DOCS,
    ),
    Answer("ST_StartPoint", "ST_StartPoint(ST_Point(1, 2))", None, CODE),
    Answer(
        "ST_EndPoint",
        "ST_AsText(ST_EndPoint(ST_GeomFromText('LINESTRING (100 150, 50 60, 70 80, 160 170)')))",
        "POINT (160 170)",
        DOCS,
    ),
    Answer(
        "ST_ExteriorRing",
        "ST_AsText(ST_ExteriorRing(ST_GeomFromText('POLYGON ((0 0, 1 1, 1 2, 1 1, 0 0))')))",
        "LINESTRING (0 0, 1 1, 1 2, 1 1, 0 0)",
        DOCS,
    ),
    Answer("ST_ExteriorRing", "ST_ExteriorRing(ST_Point(1, 2))", None, DOCS),
    Answer(
        "ST_GeometryN",
        "ST_AsText(ST_GeometryN(ST_GeomFromText('MULTIPOINT ((1 2), (3 4), (5 6), (8 9))'), 1))",
        "POINT (3 4)",
        DOCS,
    ),
    Answer("ST_GeometryN", "ST_GeometryN(ST_GeomFromText('MULTIPOINT ((1 2), (3 4))'), 2)", None, DOCS),
    Answer(
        "ST_InteriorRingN", f"ST_AsText(ST_InteriorRingN({HOLED}, 0))", "LINESTRING (1 1, 2 1, 2 2, 1 2, 1 1)", DOCS
    ),
    Answer("ST_InteriorRingN", f"ST_InteriorRingN({HOLED}, 1)", None, DOCS),
    Answer("ST_HasM", f"ST_HasM({MEASURED})", True, DOCS),
    Answer("ST_HasM", f"ST_HasM({HOLED})", False, SEDONADB),
    Answer("ST_HasZ", "ST_HasZ(ST_GeomFromWKT('LINESTRING Z (30 10 5, 40 40 10, 20 40 15, 10 20 20)'))", True, DOCS),
    Answer("ST_HasZ", f"ST_HasZ({HOLED})", False, SEDONADB),
    Answer("ST_Zmflag", "ST_Zmflag(ST_GeomFromWKT('LINESTRING Z (1 2 3, 4 5 6)'))", 2, DOCS),
    Answer("ST_Zmflag", "ST_Zmflag(ST_GeomFromWKT('POINT ZM (1 2 3 4)'))", 3, DOCS),
    Answer("ST_IsClosed", "ST_IsClosed(ST_GeomFromText('LINESTRING (0 0, 1 1, 1 0)'))", False, DOCS),
    Answer("ST_IsClosed", "ST_IsClosed(ST_Point(1, 2))", True, SEDONADB),
    Answer("ST_IsCollection", "ST_IsCollection(ST_GeomFromText('MULTIPOINT (0 0, 6 6)'))", True, DOCS),
    Answer("ST_IsCollection", "ST_IsCollection(ST_GeomFromText('POINT (5 5)'))", False, DOCS),
    Answer("ST_IsEmpty", "ST_IsEmpty(ST_GeomFromWKT('POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))'))", False, DOCS),
    Answer("ST_IsEmpty", "ST_IsEmpty(ST_GeomFromWKT('POLYGON EMPTY'))", True, SEDONADB),
    Answer("ST_IsPolygonCCW", f"ST_IsPolygonCCW({COUNTER})", True, DOCS),
    Answer("ST_IsPolygonCCW", f"ST_IsPolygonCCW({CLOCKWISE})", False, PLAIN),
    Answer("ST_IsPolygonCW", f"ST_IsPolygonCW({CLOCKWISE})", True, DOCS),
    Answer("ST_IsPolygonCW", "ST_IsPolygonCW(ST_Point(1, 2))", False, PLAIN),
    Answer("ST_IsRing", "ST_IsRing(ST_GeomFromText('LINESTRING (0 0, 0 1, 1 1, 1 0, 0 0)'))", True, DOCS),
    Answer("ST_IsRing", "ST_IsRing(ST_GeomFromText('LINESTRING (0 0, 0 1, 1 1, 1 0)'))", False, SEDONADB),
    Answer("ST_IsSimple", "ST_IsSimple(ST_GeomFromWKT('POLYGON ((1 1, 3 1, 3 3, 1 3, 1 1))'))", True, DOCS),
    Answer("ST_IsSimple", "ST_IsSimple(ST_GeomFromWKT('LINESTRING (0 0, 2 2, 0 2, 2 0)'))", False, SEDONADB),
    Answer(
        "ST_IsValid",
        "ST_IsValid(ST_GeomFromWKT('POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (15 15, 15 20, 20 20, 20 15, 15 15))'))",
        False,
        DOCS,
    ),
    Answer("ST_IsValid", f"ST_IsValid({HOLED})", True, SEDONADB),
    Answer("ST_IsValidTrajectory", "ST_IsValidTrajectory(ST_GeomFromText('LINESTRING M (0 0 1, 0 1 2)'))", True, DOCS),
    Answer("ST_IsValidTrajectory", "ST_IsValidTrajectory(ST_GeomFromText('LINESTRING M (0 0 1, 0 1 0)'))", False, DOCS),
    Answer("ST_X", "ST_X(ST_Point(0.0, 25.0))", 0.0, DOCS),
    Answer("ST_X", f"ST_X({LINES})", None, DOCS),
    Answer("ST_Y", "ST_Y(ST_Point(0.0, 25.0))", 25.0, DOCS),
    Answer("ST_Z", "ST_Z(ST_PointZ(0.0, 25.0, 11.0))", 11.0, DOCS),
    Answer("ST_M", "ST_M(ST_MakePoint(1, 2, 3, 4))", 4.0, DOCS),
    Answer("ST_MMax", f"ST_MMax({MEASURED})", 4.0, DOCS),
    Answer("ST_MMin", "ST_MMin(ST_GeomFromWKT('LINESTRING ZM (1 1 1 1, 2 2 2 2, 3 3 3 3, -1 -1 -1 -1)'))", -1.0, DOCS),
    Answer("ST_XMax", "ST_XMax(ST_GeomFromText('POLYGON ((-1 -11, 0 10, 1 11, 2 12, -1 -11))'))", 2.0, DOCS),
    Answer("ST_XMin", "ST_XMin(ST_GeomFromText('POLYGON ((-1 -11, 0 10, 1 11, 2 12, -1 -11))'))", -1.0, DOCS),
    Answer("ST_YMax", "ST_YMax(ST_GeomFromText('POLYGON ((0 0 1, 1 1 1, 1 2 1, 1 1 1, 0 0 1))'))", 2.0, DOCS),
    Answer("ST_YMin", "ST_YMin(ST_GeomFromText('POLYGON ((0 0 1, 1 1 1, 1 2 1, 1 1 1, 0 0 1))'))", 0.0, DOCS),
    Answer("ST_ZMax", "ST_ZMax(ST_GeomFromText('POLYGON ((0 0 1, 1 1 1, 1 2 1, 1 1 1, 0 0 1))'))", 1.0, DOCS),
    Answer("ST_ZMax", "ST_ZMax(ST_Point(1, 2))", None, DOCS),
    Answer("ST_ZMin", "ST_ZMin(ST_GeomFromText('LINESTRING (1 3 4, 5 6 7)'))", 4.0, DOCS),
    Answer("ST_NPoints", f"ST_NPoints({LINES})", 4, DOCS),
    Answer("ST_NumPoints", "ST_NumPoints(ST_GeomFromText('LINESTRING (0 1, 1 0, 2 0)'))", 3, DOCS),
    Answer("ST_NumGeometries", "ST_NumGeometries(ST_GeomFromWKT('LINESTRING (-29 -27, -30 -29.7, -45 -33)'))", 1, DOCS),
    Answer("ST_NumGeometries", "ST_NumGeometries(ST_GeomFromWKT('MULTIPOINT (1 2, 3 4)'))", 2, SEDONADB),
    Answer("ST_NumInteriorRing", f"ST_NumInteriorRing({HOLED})", 1, DOCS),
    Answer("ST_NumInteriorRings", f"ST_NumInteriorRings({HOLED})", 1, DOCS),
    Answer("ST_NRings", "ST_NRings(ST_GeomFromText('POLYGON ((1 0, 1 1, 2 1, 2 0, 1 0))'))", 1, DOCS),
    Answer(
        "ST_NRings",
        "ST_NRings(ST_GeomFromText('MULTIPOLYGON (((1 0, 1 6, 6 6, 6 0, 1 0), (2 1, 2 2, 3 2, 3 1, 2 1)),"
        " ((10 0, 10 6, 16 6, 16 0, 10 0), (12 1, 12 2, 13 2, 13 1, 12 1)))'))",
        4,
        DOCS,
    ),
    Answer("ST_NRings", "ST_NRings(ST_GeomFromText('POLYGON EMPTY'))", 0, DOCS),
    Answer(
        "ST_PointN", "ST_AsText(ST_PointN(ST_GeomFromText('LINESTRING (0 0, 1 2, 2 4, 3 6)'), 2))", "POINT (1 2)", DOCS
    ),
    Answer(
        "ST_PointN", "ST_AsText(ST_PointN(ST_GeomFromText('LINESTRING (0 0, 1 2, 2 4, 3 6)'), -1))", "POINT (3 6)", DOCS
    ),
    Answer(
        "ST_Points",
        "ST_AsText(ST_Points(ST_GeomFromEWKT('LINESTRING (2 4, 3 3, 4 2, 7 3)')))",
        "MULTIPOINT ((2 4), (3 3), (4 2), (7 3))",
        DOCS,
    ),
    # Editors.
    Answer(
        "ST_AddPoint",
        "ST_AsText(ST_AddPoint(ST_GeomFromText('LINESTRING (0 0, 1 1, 1 0)'), ST_GeomFromText('POINT (21 52)'), 1))",
        "LINESTRING (0 0, 21 52, 1 1, 1 0)",
        DOCS,
    ),
    Answer(
        "ST_AddPoint",
        "ST_AsText(ST_AddPoint(ST_GeomFromText('LINESTRING (0 0, 1 1, 1 0)'), ST_GeomFromText('POINT (21 52)')))",
        "LINESTRING (0 0, 1 1, 1 0, 21 52)",
        DOCS,
    ),
    Answer(
        "ST_RemovePoint",
        "ST_AsText(ST_RemovePoint(ST_GeomFromText('LINESTRING (0 0, 1 1, 1 0)'), 1))",
        "LINESTRING (0 0, 1 0)",
        DOCS,
    ),
    Answer(
        "ST_RemovePoint",
        "ST_AsText(ST_RemovePoint(ST_GeomFromText('LINESTRING (0 0, 1 1, 1 0)')))",
        "LINESTRING (0 0, 1 1)",
        DOCS,
    ),
    Answer(
        "ST_SetPoint",
        "ST_AsText(ST_SetPoint(ST_GeomFromText('LINESTRING (0 0, 0 1, 1 1)'), 2, ST_GeomFromText('POINT (1 0)')))",
        "LINESTRING (0 0, 0 1, 1 0)",
        DOCS,
    ),
    Answer(
        "ST_SetPoint",
        "ST_AsText(ST_SetPoint(ST_GeomFromText('LINESTRING (0 0, 0 1, 1 1)'), -1, ST_GeomFromText('POINT (1 0)')))",
        "LINESTRING (0 0, 0 1, 1 0)",
        DOCS,
    ),
    Answer(
        "ST_Collect",
        "ST_AsText(ST_Collect(ST_GeomFromText('POINT (21.427834 52.042576573)'), ST_GeomFromText('POINT (45.342524"
        " 56.342354355)')))",
        "MULTIPOINT ((21.427834 52.042576573), (45.342524 56.342354355))",
        DOCS,
    ),
    Answer(
        "ST_Collect",
        "ST_AsText(ST_Collect(array(ST_GeomFromText('POINT (21.427834 52.042576573)'), ST_GeomFromText('POINT"
        " (45.342524 56.342354355)'))))",
        "MULTIPOINT ((21.427834 52.042576573), (45.342524 56.342354355))",
        DOCS,
    ),
    Answer(
        "ST_CollectionExtract",
        "ST_AsText(ST_CollectionExtract(ST_GeomFromText('GEOMETRYCOLLECTION (POINT (40 10), POLYGON ((0 0, 0 5, 5 5,"
        " 5 0, 0 0)))')))",
        "MULTIPOLYGON (((0 0, 0 5, 5 5, 5 0, 0 0)))",
        DOCS,
    ),
    Answer(
        "ST_CollectionExtract",
        "ST_AsText(ST_CollectionExtract(ST_GeomFromText('GEOMETRYCOLLECTION (POINT (40 10), POLYGON ((0 0, 0 5, 5 5,"
        " 5 0, 0 0)))'), 1))",
        "MULTIPOINT ((40 10))",
        DOCS,
    ),
    Answer("ST_FlipCoordinates", "ST_AsText(ST_FlipCoordinates(ST_GeomFromWKT('POINT (1 2)')))", "POINT (2 1)", DOCS),
    Answer(
        "ST_Force2D", f"ST_AsText(ST_Force2D({TALL}))", "POLYGON ((0 0, 0 5, 5 0, 0 0), (1 1, 3 1, 1 3, 1 1))", DOCS
    ),
    Answer(
        "ST_Force_2D", f"ST_AsText(ST_Force_2D({TALL}))", "POLYGON ((0 0, 0 5, 5 0, 0 0), (1 1, 3 1, 1 3, 1 1))", DOCS
    ),
    Answer(
        "ST_Force3D",
        f"ST_AsText(ST_Force3D({TALL}, 2.3))",
        "POLYGON Z((0 0 2, 0 5 2, 5 0 2, 0 0 2), (1 1 2, 3 1 2, 1 3 2, 1 1 2))",
        DOCS,
    ),
    Answer(
        "ST_Force3D",
        "ST_AsText(ST_Force3D(ST_GeomFromText('LINESTRING (0 1, 1 0, 2 0)'), 2.3))",
        "LINESTRING Z(0 1 2.3, 1 0 2.3, 2 0 2.3)",
        DOCS,
    ),
    Answer("ST_Force3D", "ST_AsText(ST_Force3D(ST_GeomFromText('LINESTRING EMPTY'), 3))", "LINESTRING EMPTY", DOCS),
    Answer(
        "ST_Force3DZ",
        "ST_AsText(ST_Force3DZ(ST_GeomFromText('LINESTRING (0 1, 1 0, 2 0)'), 2.3))",
        "LINESTRING Z(0 1 2.3, 1 0 2.3, 2 0 2.3)",
        DOCS,
    ),
    Answer(
        "ST_Force3DM",
        "ST_AsText(ST_Force3DM(ST_GeomFromText('LINESTRING (0 1, 1 0, 2 0)'), 2.3))",
        "LINESTRING M(0 1 2.3, 1 0 2.3, 2 0 2.3)",
        DOCS,
    ),
    Answer(
        "ST_Force3DM",
        "ST_AsText(ST_Force3DM(ST_GeomFromText('LINESTRING Z (0 1 3, 1 0 3, 2 0 3)'), 5))",
        "LINESTRING M(0 1 5, 1 0 5, 2 0 5)",
        DOCS,
    ),
    Answer(
        "ST_Force4D",
        f"ST_AsText(ST_Force4D({TALL}, 5, 10))",
        "POLYGON ZM((0 0 2 10, 0 5 2 10, 5 0 2 10, 0 0 2 10), (1 1 2 10, 3 1 2 10, 1 3 2 10, 1 1 2 10))",
        DOCS,
    ),
    Answer(
        "ST_ForceCollection",
        "ST_AsText(ST_ForceCollection(ST_GeomFromWKT('MULTIPOINT (30 10, 40 40, 20 20, 10 30, 10 10, 20 50)')))",
        "GEOMETRYCOLLECTION (POINT (30 10), POINT (40 40), POINT (20 20), POINT (10 30), POINT (10 10), POINT (20 50))",
        DOCS,
    ),
    Answer(
        "ST_ForcePolygonCCW",
        f"ST_AsText(ST_ForcePolygonCCW({CLOCKWISE}))",
        "POLYGON ((20 35, 10 30, 10 10, 30 5, 45 20, 20 35), (30 20, 20 15, 20 25, 30 20))",
        DOCS,
    ),
    Answer(
        "ST_ForcePolygonCW",
        f"ST_AsText(ST_ForcePolygonCW({COUNTER}))",
        "POLYGON ((20 35, 45 20, 30 5, 10 10, 10 30, 20 35), (30 20, 20 25, 20 15, 30 20))",
        DOCS,
    ),
    Answer(
        "ST_ForceRHR",
        f"ST_AsText(ST_ForceRHR({COUNTER}))",
        "POLYGON ((20 35, 45 20, 30 5, 10 10, 10 30, 20 35), (30 20, 20 25, 20 15, 30 20))",
        DOCS,
    ),
    Answer(
        "ST_LineFromMultiPoint",
        "ST_AsText(ST_LineFromMultiPoint(ST_GeomFromText('MULTIPOINT ((10 40), (40 30), (20 20), (30 10))')))",
        "LINESTRING (10 40, 40 30, 20 20, 30 10)",
        DOCS,
    ),
    Answer(
        "ST_LineMerge",
        "ST_AsText(ST_LineMerge(ST_GeomFromWKT('MULTILINESTRING ((-29 -27, -30 -29.7, -45 -33), (-45 -33, -46"
        " -32))')))",
        "LINESTRING (-29 -27, -30 -29.7, -45 -33, -46 -32)",
        DOCS,
    ),
    Answer(
        "ST_LineSegments",
        "transform(ST_LineSegments(ST_GeomFromWKT('LINESTRING (0 0, 10 10, 20 20, 30 30)')), p -> ST_AsText(p))",
        ["LINESTRING (0 0, 10 10)", "LINESTRING (10 10, 20 20)", "LINESTRING (20 20, 30 30)"],
        DOCS,
    ),
    Answer(
        "ST_LineSegments", "size(ST_LineSegments(ST_GeomFromWKT('POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0))')))", 0, DOCS
    ),
    Answer("ST_MakeLine", "ST_AsText(ST_MakeLine(ST_Point(1, 2), ST_Point(3, 4)))", "LINESTRING (1 2, 3 4)", DOCS),
    Answer(
        "ST_MakeLine",
        "ST_AsText(ST_MakeLine(ST_GeomFromText('LINESTRING (0 0, 1 1)'), ST_GeomFromText('LINESTRING (2 2, 3 3)')))",
        "LINESTRING (0 0, 1 1, 2 2, 3 3)",
        DOCS,
    ),
    Answer(
        "ST_MakeLine",
        "ST_AsText(ST_MakeLine(array(ST_Point(1, 2), ST_Point(3, 4), ST_Point(5, 6))))",
        "LINESTRING (1 2, 3 4, 5 6)",
        PLAIN,
    ),
    Answer(
        "ST_MakePolygon",
        "ST_AsText(ST_MakePolygon(ST_GeomFromText('LINESTRING (7 -1, 7 6, 9 6, 9 1, 7 -1)'),"
        " array(ST_GeomFromText('LINESTRING (6 2, 8 2, 8 1, 6 1, 6 2)'))))",
        "POLYGON ((7 -1, 7 6, 9 6, 9 1, 7 -1), (6 2, 8 2, 8 1, 6 1, 6 2))",
        DOCS,
    ),
    Answer("ST_Multi", "ST_AsText(ST_Multi(ST_GeomFromText('POINT (1 1)')))", "MULTIPOINT ((1 1))", DOCS),
    Answer(
        "ST_Normalize",
        "ST_AsEWKT(ST_Normalize(ST_GeomFromWKT('POLYGON ((0 1, 1 1, 1 0, 0 0, 0 1))')))",
        "POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))",
        DOCS,
    ),
    Answer(
        "ST_Project",
        "ST_AsText(ST_Project(ST_GeomFromText('POINT (10 15)'), 100, radians(90)))",
        "POINT (110 15)",
        DOCS,
    ),
    Answer(
        "ST_RemoveRepeatedPoints",
        "ST_AsText(ST_RemoveRepeatedPoints(ST_GeomFromWKT('LINESTRING (20 20, 10 10, 30 30, 40 40, 20 20, 30 30, 40"
        " 40)'), 20))",
        "LINESTRING (20 20, 40 40, 20 20, 40 40)",
        DOCS,
    ),
    Answer(
        "ST_Reverse",
        "ST_AsText(ST_Reverse(ST_GeomFromWKT('LINESTRING (0 0, 1 2, 2 4, 3 6)')))",
        "LINESTRING (3 6, 2 4, 1 2, 0 0)",
        DOCS,
    ),
    # Predicates.
    Answer("ST_Contains", f"ST_Contains({TRIANGLE}, ST_GeomFromWKT('POINT (174 149)'))", False, DOCS),
    Answer("ST_Contains", f"ST_Contains({BOX}, ST_Point(2, 2))", True, SEDONADB),
    Answer("ST_CoveredBy", f"ST_CoveredBy(ST_Point(1, 1), {BOX})", True, SEDONADB),
    Answer("ST_CoveredBy", f"ST_CoveredBy(ST_Point(0, 1), {BOX})", False, SEDONADB),
    Answer("ST_Covers", f"ST_Covers({BOX}, ST_Point(1, 1))", True, SEDONADB),
    Answer("ST_Covers", f"ST_Covers({BOX}, ST_Point(0, 1))", False, SEDONADB),
    Answer("ST_Crosses", f"ST_Crosses(ST_GeomFromWKT('LINESTRING (0 0, 2 2)'), {BOX})", True, SEDONADB),
    Answer("ST_Crosses", f"ST_Crosses(ST_GeomFromWKT('LINESTRING (2 2, 3 3)'), {BOX})", False, SEDONADB),
    Answer("ST_Disjoint", f"ST_Disjoint(ST_Point(0, 0), {BOX})", True, SEDONADB),
    Answer("ST_Disjoint", f"ST_Disjoint(ST_Point(1, 1), {BOX})", False, SEDONADB),
    Answer("ST_DWithin", "ST_DWithin(ST_GeomFromWKT('POINT (0 0)'), ST_GeomFromWKT('POINT (1 0)'), 2.5)", True, DOCS),
    Answer(
        "ST_DWithin", "ST_DWithin(ST_GeomFromWKT('POINT (0 0)'), ST_GeomFromWKT('POINT (1 0)'), 0.5)", False, SEDONADB
    ),
    Answer(
        "ST_DWithin",
        "ST_DWithin(ST_Point(-122.335167, 47.608013), ST_Point(-73.935242, 40.730610), 4000000, true)",
        True,
        DOCS,
    ),
    Answer("ST_Equals", equal("ST_GeomFromWKT('LINESTRING (0 0, 10 10)')", "LINESTRING (0 0, 5 5, 10 10)"), True, DOCS),
    Answer("ST_Equals", equal("ST_GeomFromWKT('LINESTRING (0 0, 10 10)')", "LINESTRING (0 0, 10 11)"), False, SEDONADB),
    Answer("ST_Intersects", f"ST_Intersects({BOX}, ST_Point(1, 1))", True, SEDONADB),
    Answer("ST_Intersects", f"ST_Intersects({BOX}, ST_Point(0, 0))", False, SEDONADB),
    Answer(
        "ST_OrderingEquals",
        "ST_OrderingEquals(ST_GeomFromWKT('POLYGON ((2 0, 0 2, -2 0, 2 0))'), ST_GeomFromWKT('POLYGON ((2 0, 0 2, -2"
        " 0, 2 0))'))",
        True,
        DOCS,
    ),
    Answer(
        "ST_OrderingEquals",
        "ST_OrderingEquals(ST_GeomFromWKT('POLYGON ((2 0, 0 2, -2 0, 2 0))'), ST_GeomFromWKT('POLYGON ((0 2, -2 0, 2"
        " 0, 0 2))'))",
        False,
        DOCS,
    ),
    Answer("ST_Overlaps", f"ST_Overlaps({BOX}, {SQUARE})", True, SEDONADB),
    Answer("ST_Overlaps", f"ST_Overlaps({BOX}, {BOX})", False, SEDONADB),
    Answer("ST_RelateMatch", "ST_RelateMatch('101202FFF', 'TTTTTTFFF')", True, DOCS),
    Answer("ST_RelateMatch", "ST_RelateMatch('101202FFF', 'T*F**F***')", False, PLAIN),
    Answer("ST_Touches", f"ST_Touches({BOX}, ST_Point(1, 1))", True, SEDONADB),
    Answer("ST_Touches", f"ST_Touches({BOX}, ST_Point(2, 2))", False, SEDONADB),
    Answer("ST_Within", f"ST_Within(ST_Point(2, 2), {BOX})", True, SEDONADB),
    Answer("ST_Within", f"ST_Within(ST_Point(1, 1), {BOX})", False, SEDONADB),
    # Measures.
    Answer(
        "ST_3DDistance",
        "ST_3DDistance(ST_GeomFromText('POINT Z (0 0 -5)'), ST_GeomFromText('POINT Z (1 1 -6)'))",
        1.7320508075688772,
        DOCS,
    ),
    Answer(
        "ST_Angle",
        "ST_Angle(ST_GeomFromWKT('POINT(0 0)'), ST_GeomFromWKT('POINT (1 1)'), ST_GeomFromWKT('POINT(1 0)'),"
        " ST_GeomFromWKT('POINT(6 2)'))",
        0.4048917862850834,
        DOCS,
    ),
    Answer(
        "ST_Angle",
        "ST_Angle(ST_GeomFromWKT('POINT (1 1)'), ST_GeomFromWKT('POINT (0 0)'), ST_GeomFromWKT('POINT(3 2)'))",
        0.19739555984988044,
        DOCS,
    ),
    Answer(
        "ST_Angle",
        "ST_Angle(ST_GeomFromWKT('LINESTRING (0 0, 1 1)'), ST_GeomFromWKT('LINESTRING (0 0, 3 2)'))",
        0.19739555984988044,
        DOCS,
    ),
    Answer("ST_Area", "ST_Area(ST_GeomFromText('POLYGON ((0 0, 0 10, 10 10, 10 0, 0 0))'))", 100.0, SEDONADB),
    Answer(
        "ST_AreaSpheroid",
        "ST_AreaSpheroid(ST_GeomFromWKT('POLYGON ((34 35, 28 30, 25 34, 34 35))'))",
        201824850811.76245,
        DOCS,
    ),
    Answer("ST_Azimuth", "ST_Azimuth(ST_Point(0.0, 25.0), ST_Point(0.0, 0.0))", 3.141592653589793, DOCS),
    Answer("ST_Azimuth", "ST_Azimuth(ST_Point(0.0, 0.0), ST_Point(0.0, 0.0))", None, DOCS),
    Answer(
        "ST_ClosestPoint",
        "ST_AsText(ST_ClosestPoint(ST_GeomFromText('LINESTRING (10 30, 50 50, 30 110, 70 90, 180 140, 130 190)'),"
        " ST_GeomFromText('POINT (160 40)')))",
        "POINT (125.75342465753425 115.34246575342466)",
        DOCS,
    ),
    Answer("ST_Degrees", "ST_Degrees(0.19739555984988044)", 11.309932474020195, DOCS),
    Answer(
        "ST_Distance",
        "ST_Distance(ST_GeomFromText('POINT (72 42)'), ST_GeomFromText('LINESTRING (-72 -42, 82 92)'))",
        31.155515639003543,
        DOCS,
    ),
    Answer("ST_DistanceSphere", f"ST_DistanceSphere({LONDON}, {EDINBURGH})", 543796.9506134904, DOCS),
    Answer("ST_DistanceSphere", f"ST_DistanceSphere({LONDON}, {EDINBURGH}, 6378137.0)", 544405.4459192449, DOCS),
    Answer("ST_DistanceSpheroid", f"ST_DistanceSpheroid({LONDON}, {EDINBURGH})", 544430.9411996207, DOCS),
    Answer(
        "ST_DistanceSpheroid",
        f"ST_DistanceSpheroid(ST_SetSRID({LONDON}, 4326), ST_SetSRID({EDINBURGH}, 4326))",
        544430.9411996207,
        DOCS,
    ),
    Answer(
        "ST_HausdorffDistance",
        "ST_HausdorffDistance(ST_GeomFromText('POLYGON Z ((1 0 1, 1 1 2, 2 1 5, 2 0 1, 1 0 1))'),"
        " ST_GeomFromText('POLYGON Z ((4 0 4, 6 1 4, 6 4 9, 6 1 3, 4 0 4))'))",
        5.0,
        DOCS,
    ),
    Answer("ST_HausdorffDistance", f"ST_HausdorffDistance(ST_Point(0, 0), {BOX})", 11.313708498984761, SEDONADB),
    Answer(
        "ST_Length",
        "ST_Length(ST_GeomFromWKT('LINESTRING (38 16, 38 50, 65 50, 66 16, 38 16)'))",
        123.0147027033899,
        DOCS,
    ),
    Answer("ST_Length", f"ST_Length({BOX})", 0.0, SEDONADB),
    Answer(
        "ST_Length2D",
        "ST_Length2D(ST_GeomFromWKT('LINESTRING (38 16, 38 50, 65 50, 66 16, 38 16)'))",
        123.0147027033899,
        DOCS,
    ),
    Answer("ST_LengthSpheroid", "ST_LengthSpheroid(ST_GeomFromWKT('LINESTRING (0 0, 2 0)'))", 222638.98158654713, DOCS),
    Answer("ST_LongestLine", f"ST_AsText(ST_LongestLine({DELTA}, {KITE}))", "LINESTRING (40 40, 10 20)", DOCS),
    Answer("ST_MaxDistance", f"ST_MaxDistance({DELTA}, {KITE})", 36.05551275463989, DOCS),
    Answer("ST_Perimeter", "ST_Perimeter(ST_GeomFromText('POLYGON ((0 0, 0 5, 5 5, 5 0, 0 0))'))", 20.0, DOCS),
    Answer(
        "ST_Perimeter",
        "ST_Perimeter(ST_GeomFromText('POLYGON ((0 0, 0 5, 5 5, 5 0, 0 0))', 4326), true, false)",
        2216860.5497177234,
        DOCS,
    ),
    Answer("ST_Perimeter2D", "ST_Perimeter2D(ST_GeomFromText('POLYGON ((0 0, 0 5, 5 5, 5 0, 0 0))'))", 20.0, DOCS),
    Answer(
        "ST_ShortestLine",
        "ST_AsText(ST_ShortestLine(ST_GeomFromText('POINT (0 1)'), ST_GeomFromText('LINESTRING (0 0, 1 0, 2 0, 3 0,"
        " 4 0, 5 0)')))",
        "LINESTRING (0 1, 0 0)",
        DOCS,
    ),
    # Shapes made from others.
    Answer(
        "ST_Buffer",
        "ST_AsText(ST_Normalize(ST_Buffer(ST_GeomFromWKT('POINT (0 0)'), 10, false, 'quad_segs=1')))",
        "POLYGON ((-10 0, 0 10, 10 0, 0 -10, -10 0))",
        PLAIN,
    ),
    Answer("ST_Buffer", "ST_Area(ST_Buffer(ST_GeomFromWKT('POINT (1 2)'), 1.0))", 3.121445152258052, SEDONADB),
    Answer("ST_Buffer", "ST_SRID(ST_Buffer(ST_GeomFromWKT('POINT (1 2)', 3857), 1.0, false))", 3857, CODE),
    Answer(
        "ST_Buffer",
        equal(
            "ST_Buffer(ST_GeomFromWKT('LINESTRING (0 0, 10 0)'), 1, false, 'endcap=flat join=mitre')",
            "POLYGON ((10 1, 10 -1, 0 -1, 0 1, 10 1))",
        ),
        True,
        PLAIN,
    ),
    Answer(
        "ST_BuildArea",
        equal(
            "ST_BuildArea(ST_GeomFromWKT('MULTILINESTRING ((0 0, 20 0, 20 20, 0 20, 0 0), (2 2, 18 2, 18 18, 2 18, 2"
            " 2))'))",
            "POLYGON ((0 0, 0 20, 20 20, 20 0, 0 0), (2 2, 18 2, 18 18, 2 18, 2 2))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_Centroid",
        "ST_AsText(ST_Centroid(ST_GeomFromWKT('MULTIPOINT (-1 0, -1 2, 7 8, 9 8, 10 6)')))",
        "POINT (4.8 4.8)",
        DOCS,
    ),
    Answer("ST_Centroid", "ST_AsText(ST_Centroid(ST_GeomFromWKT('LINESTRING (1 1, 1 1)')))", "POINT (1 1)", SEDONADB),
    Answer(
        "ST_Centroid",
        "ST_AsText(ST_Centroid(ST_GeomFromWKT('POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))')))",
        "POINT (1 1)",
        SEDONADB,
    ),
    Answer(
        "ST_LineMerge",
        "ST_AsEWKT(ST_LineMerge(ST_GeomFromWKT('LINESTRING (0 0, 1 1)', 4326)))",
        "SRID=4326;GEOMETRYCOLLECTION EMPTY",
        DOCS,
    ),
    Answer(
        "ST_ConcaveHull",
        equal(f"ST_ConcaveHull({TRIANGLE}, 1)", "POLYGON ((20 40, 175 150, 125 100, 20 40))"),
        True,
        SEDONADB,
    ),
    Answer(
        "ST_ConvexHull", equal(f"ST_ConvexHull({TRIANGLE})", "POLYGON ((20 40, 175 150, 125 100, 20 40))"), True, DOCS
    ),
    Answer(
        "ST_MaximumInscribedCircle",
        "round(ST_MaximumInscribedCircle(ST_GeomFromWKT('POLYGON ((62.11 19.68, 60.79 17.20, 61.30 15.96, 62.11"
        " 16.08, 65.93 16.95, 66.20 20.61, 63.08 21.43, 64.48 18.70, 62.11 19.68))')).radius, 1)",
        1.5,
        DOCS,
    ),
    Answer(
        "ST_OrientedEnvelope",
        equal(
            "ST_OrientedEnvelope(ST_GeomFromWKT('POLYGON ((0 0, 1 0, 5 4, 4 4, 0 0))'))",
            "POLYGON ((0 0, 4.5 4.5, 5 4, 0.5 -0.5, 0 0))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_PointOnSurface",
        "ST_AsText(ST_PointOnSurface(ST_GeomFromText('POLYGON ((0 0, 0 5, 5 5, 5 0, 0 0))')))",
        "POINT (2.5 2.5)",
        DOCS,
    ),
    Answer(
        "ST_PointOnSurface",
        "ST_AsText(ST_PointOnSurface(ST_GeomFromText('LINESTRING (0 5 1, 0 0 1, 0 10 2)')))",
        "POINT Z(0 0 1)",
        DOCS,
    ),
    Answer(
        "ST_Polygonize",
        equal(
            "ST_CollectionExtract(ST_Polygonize(ST_GeomFromEWKT('GEOMETRYCOLLECTION (LINESTRING (2 0, 2 1, 2 2),"
            " LINESTRING (2 2, 2 3, 2 4), LINESTRING (0 2, 1 2, 2 2), LINESTRING (2 2, 3 2, 4 2), LINESTRING (0 2, 1"
            " 3, 2 4), LINESTRING (2 4, 3 3, 4 2))')))",
            "POLYGON ((0 2, 1 3, 2 4, 3 3, 4 2, 3 2, 2 2, 1 2, 0 2))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_ReducePrecision",
        "ST_AsText(ST_ReducePrecision(ST_GeomFromWKT('POINT (0.1234567890123456789 0.1234567890123456789)'), 9))",
        "POINT (0.123456789 0.123456789)",
        DOCS,
    ),
    Answer(
        "ST_Simplify",
        "ST_AsText(ST_Simplify(ST_Buffer(ST_GeomFromWKT('POINT (0 2)'), 10), 1))",
        "POLYGON ((10 2, 7.0710678118654755 -5.071067811865475, 0 -8, -7.071067811865475 -5.0710678118654755, -10 2,"
        " -7.071067811865477 9.071067811865476, 0 12, 7.071067811865474 9.071067811865477, 10 2))",
        DOCS,
    ),
    Answer(
        "ST_SimplifyPreserveTopology",
        f"ST_AsText(ST_SimplifyPreserveTopology({RAGGED}, 10))",
        "POLYGON ((8 25, 28 22, 15 11, 33 3, 56 30, 47 44, 35 36, 43 19, 24 39, 8 25))",
        DOCS,
    ),
    Answer(
        "ST_Snap",
        "ST_AsText(ST_Snap(ST_GeomFromWKT('POLYGON ((236877.58 -6.61, 236878.29 -8.35, 236879.98 -8.33, 236879.72"
        " -7.63, 236880.35 -6.62, 236877.58 -6.61), (236878.45 -7.01, 236878.43 -7.52, 236879.29 -7.50, 236878.63"
        " -7.22, 236878.76 -6.89, 236878.45 -7.01))'), ST_GeomFromWKT('LINESTRING (236880.53 -8.22, 236881.15 -7.68,"
        " 236880.69 -6.81)'), 0.4))",
        "POLYGON ((236877.58 -6.61, 236878.29 -8.35, 236879.98 -8.33, 236879.72 -7.63, 236880.69 -6.81, 236877.58"
        " -6.61), (236878.45 -7.01, 236878.43 -7.52, 236879.29 -7.5, 236878.63 -7.22, 236878.76 -6.89, 236878.45"
        " -7.01))",
        DOCS,
    ),
    Answer(
        "ST_MakeValid", "ST_Area(ST_MakeValid(ST_GeomFromWKT('POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))')))", 0.5, SEDONADB
    ),
    Answer(
        "ST_VoronoiPolygons", "ST_Area(ST_VoronoiPolygons(ST_GeomFromText('MULTIPOINT ((0 0), (1 1))')))", 9.0, DOCS
    ),
    Answer(
        "ST_Difference",
        equal(
            f"ST_Difference({SQUARE}, ST_GeomFromWKT('POLYGON ((0 -4, 4 -4, 4 4, 0 4, 0 -4))'))",
            "POLYGON ((0 -3, -3 -3, -3 3, 0 3, 0 -3))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_Intersection",
        equal(
            f"ST_Intersection({BOX}, ST_GeomFromWKT('POLYGON ((2 2, 9 2, 9 9, 2 9, 2 2))'))",
            "POLYGON ((2 8, 8 8, 8 2, 2 2, 2 8))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_SymDifference",
        equal(
            f"ST_SymDifference({SQUARE}, ST_GeomFromWKT('POLYGON ((-2 -3, 4 -3, 4 3, -2 3, -2 -3))'))",
            "MULTIPOLYGON (((-2 -3, -3 -3, -3 3, -2 3, -2 -3)), ((3 -3, 3 3, 4 3, 4 -3, 3 -3)))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_Union",
        equal(
            f"ST_Union({SQUARE}, ST_GeomFromWKT('POLYGON ((1 -2, 5 0, 1 2, 1 -2))'))",
            "POLYGON ((3 -1, 3 -3, -3 -3, -3 3, 3 3, 3 1, 5 0, 3 -1))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_Union",
        equal(
            f"ST_Union(array({SQUARE}, ST_GeomFromWKT('POLYGON ((-2 1, 2 1, 2 4, -2 4, -2 1))')))",
            "POLYGON ((2 3, 3 3, 3 -3, -3 -3, -3 3, -2 3, -2 4, 2 4, 2 3))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_UnaryUnion",
        equal(
            "ST_UnaryUnion(ST_GeomFromWKT('MULTIPOLYGON (((0 10, 0 30, 20 30, 20 10, 0 10)), ((10 0, 10 20, 30 20,"
            " 30 0, 10 0)))'))",
            "POLYGON ((10 0, 10 10, 0 10, 0 30, 20 30, 20 20, 30 20, 30 0, 10 0))",
        ),
        True,
        DOCS,
    ),
    Answer(
        "ST_Envelope",
        "ST_AsText(ST_Envelope(ST_GeomFromWKT('LINESTRING (0 0, 1 3)')))",
        "POLYGON ((0 0, 0 3, 1 3, 1 0, 0 0))",
        DOCS,
    ),
    Answer(
        "ST_Envelope", "ST_AsEWKT(ST_Envelope(ST_SetSRID(ST_Point(1, 2), 4326)))", "SRID=4326;POINT (1 2)", SEDONADB
    ),
    Answer(
        "ST_Expand",
        "ST_AsText(ST_Expand(ST_GeomFromWKT('POLYGON ((50 50, 50 80, 80 80, 80 50, 50 50))'), 10))",
        "POLYGON ((40 40, 40 90, 90 90, 90 40, 40 40))",
        PLAIN,
    ),
    Answer(
        "ST_Expand",
        "ST_AsText(ST_Expand(ST_GeomFromWKT('POLYGON ((50 50, 50 80, 80 80, 80 50, 50 50))'), 5, 6))",
        "POLYGON ((45 44, 45 86, 85 86, 85 44, 45 44))",
        PLAIN,
    ),
    Answer(
        "ST_BoundingDiagonal",
        "ST_AsText(ST_BoundingDiagonal(ST_GeomFromWKT('POLYGON ((1 1 1, 3 3 3, 0 1 4, 4 4 0, 1 1 1))')))",
        "LINESTRING Z(0 1 0, 4 4 4)",
        PLAIN,
    ),
    Answer(
        "ST_BoundingDiagonal",
        "ST_AsText(ST_BoundingDiagonal(ST_GeomFromWKT('POINT (10 10)')))",
        "LINESTRING (10 10, 10 10)",
        DOCS,
    ),
    # Affine transformations.
    Answer(
        "ST_Affine",
        "ST_AsText(ST_Affine(ST_GeomFromText('POLYGON ((1 0 1, 1 1 1, 2 2 2, 1 0 1))'), 1, 2, 4, 1, 1, 2, 3, 2, 5,"
        " 4, 8, 3))",
        "POLYGON Z((9 11 11, 11 12 13, 18 16 23, 9 11 11))",
        DOCS,
    ),
    Answer(
        "ST_Affine",
        "ST_AsText(ST_Affine(ST_GeomFromText('POLYGON ((1 0, 1 1, 2 1, 2 0, 1 0), (1 0.5, 1 0.75, 1.5 0.75, 1.5 0.5,"
        " 1 0.5))'), 1, 2, 4, 1, 1, 2, 3, 2, 5, 4, 8, 3))",
        "POLYGON ((5 9, 7 10, 8 11, 6 10, 5 9), (6 9.5, 6.5 9.75, 7 10.25, 6.5 10, 6 9.5))",
        DOCS,
    ),
    Answer(
        "ST_Affine",
        "ST_AsText(ST_Affine(ST_GeomFromText('POLYGON ((1 0 1, 1 1 1, 2 2 2, 1 0 1))'), 1, 2, 1, 2, 1, 2))",
        "POLYGON Z((2 3 1, 4 5 1, 7 8 2, 2 3 1))",
        DOCS,
    ),
    Answer(
        "ST_Translate",
        "ST_AsText(ST_Translate(ST_GeomFromText('POINT (-71.01 42.37)'), 1, 2))",
        "POINT (-70.01 44.37)",
        DOCS,
    ),
    Answer(
        "ST_Translate",
        "ST_AsText(ST_Translate(ST_GeomFromText('MULTIPOLYGON (((3 2, 3 3, 4 3, 4 2, 3 2)), ((3 4, 5 6, 5 7, 3"
        " 4)))'), 2, 2, 3))",
        "MULTIPOLYGON (((5 4, 5 5, 6 5, 6 4, 5 4)), ((5 6, 7 8, 7 9, 5 6)))",
        DOCS,
    ),
    Answer(
        "ST_Translate", "ST_AsText(ST_Translate(ST_GeomFromText('POINT (1 2 3)'), 1, 2, 3))", "POINT Z(2 4 6)", PLAIN
    ),
    Answer(
        "ST_Scale",
        "ST_AsText(ST_Scale(ST_GeomFromWKT('POLYGON ((0 0, 0 1.5, 1.5 1.5, 1.5 0, 0 0))'), 3, 2))",
        "POLYGON ((0 0, 0 3, 4.5 3, 4.5 0, 0 0))",
        DOCS,
    ),
    Answer(
        "ST_ScaleGeom",
        "ST_AsText(ST_ScaleGeom(ST_GeomFromWKT('POLYGON ((0 0, 0 1.5, 1.5 1.5, 1.5 0, 0 0))'), ST_Point(3, 2)))",
        "POLYGON ((0 0, 0 3, 4.5 3, 4.5 0, 0 0))",
        DOCS,
    ),
    Answer(
        "ST_ScaleGeom",
        "ST_AsText(ST_ScaleGeom(ST_GeomFromWKT('POLYGON ((0 0, 0 1.5, 1.5 1.5, 1.5 0, 0 0))'), ST_Point(3, 2),"
        " ST_Point(1, 2)))",
        "POLYGON ((-2 -2, -2 1, 2.5 1, 2.5 -2, -2 -2))",
        DOCS,
    ),
    Answer(
        "ST_Rotate",
        f"ST_AsEWKT(ST_Rotate({ROOF}, 10, 0, 0))",
        "SRID=4326;POLYGON ((0 0, -0.8390715290764524 -0.5440211108893698, -0.2950504181870827 -1.383092639965822, 0"
        " 0))",
        DOCS,
    ),
    Answer("ST_Rotate", "ST_AsText(ST_Rotate(ST_Point(2, 0), radians(180), ST_Point(1, 1)))", "POINT (0 2)", PLAIN),
    Answer(
        "ST_RotateX",
        f"ST_AsEWKT(ST_RotateX({ROOF}, 10))",
        "SRID=4326;POLYGON ((0 0, 1 0, 1 -0.8390715290764524, 0 0))",
        DOCS,
    ),
    Answer(
        "ST_RotateY",
        f"ST_AsEWKT(ST_RotateY({ROOF}, 10))",
        "SRID=4326;POLYGON ((0 0, -0.8390715290764524 0, -0.8390715290764524 1, 0 0))",
        DOCS,
    ),
    # Aggregates.
    Answer(
        "ST_Collect_Agg",
        "ST_AsText(ST_Collect_Agg(g)) FROM VALUES (ST_Point(1, 2)), (ST_Point(3, 4)), (NULL), (ST_Point(5, 6)) AS t(g)",
        "MULTIPOINT ((1 2), (3 4), (5 6))",
        DOCS,
    ),
    Answer("ST_Envelope_Agg", f"ST_XMax(ST_Envelope_Agg({TEN_POINTS}))", 10.1, PLAIN),
    Answer("ST_Envelope_Aggr", f"ST_YMin(ST_Envelope_Aggr({TEN_POINTS}))", 101.1, DOCS),
    Answer("ST_Intersection_Agg", f"ST_NumGeometries(ST_Intersection_Agg({TEN_POINTS}))", 10, DOCS),
    Answer(
        "ST_Intersection_Aggr",
        "ST_Area(ST_Intersection_Aggr(g)) FROM VALUES (ST_MakeEnvelope(0, 0, 2, 2)), (ST_MakeEnvelope(1, 1, 3, 3))"
        " AS t(g)",
        1.0,
        PLAIN,
    ),
    Answer(
        "ST_Union_Agg",
        "ST_Area(ST_Union_Agg(g)) FROM VALUES (ST_MakeEnvelope(0, 0, 2, 2)), (ST_MakeEnvelope(1, 1, 3, 3)) AS t(g)",
        7.0,
        SEDONADB,
    ),
    Answer("ST_Union_Aggr", f"ST_NumGeometries(ST_Union_Aggr({TEN_POINTS}))", 10, DOCS),
    # Linear referencing.
    Answer(
        "ST_InterpolatePoint",
        "ST_InterpolatePoint(ST_GeomFromWKT('LINESTRING M (0 0 0, 2 0 2, 4 0 4)'), ST_GeomFromWKT('POINT (1 1)'))",
        1.0,
        DOCS,
    ),
    Answer(
        "ST_LineInterpolatePoint",
        f"ST_AsText(ST_LineInterpolatePoint({PATH}, 0.2))",
        "POINT (51.5974135047432 76.5974135047432)",
        DOCS,
    ),
    Answer(
        "ST_LineLocatePoint",
        "ST_LineLocatePoint(ST_GeomFromWKT('LINESTRING (0 0, 1 1, 2 2)'), ST_GeomFromWKT('POINT (0 2)'))",
        0.5,
        DOCS,
    ),
    Answer(
        "ST_LineSubstring",
        f"ST_AsText(ST_LineSubstring({PATH}, 0.333, 0.666))",
        "LINESTRING (69.28469348539744 94.28469348539744, 100 125, 111.70035626068274 140.21046313888758)",
        DOCS,
    ),
    # Cells.
    Answer("ST_GeoHash", "ST_GeoHash(ST_GeomFromText('POINT (21.427834 52.042576573)'), 5)", "u3r0p", DOCS),
    Answer("ST_GeoHash", "ST_GeoHash(ST_Point(180, 90), 6)", "zzzzzz", CODE),
    Answer("ST_GeoHash", "ST_GeoHash(ST_Point(181, 0), 6)", None, CODE),
    Answer(
        "ST_GeomFromGeoHash",
        "ST_AsText(ST_GeomFromGeoHash('s00twy01mt', 4))",
        "POLYGON ((0.703125 0.87890625, 0.703125 1.0546875, 1.0546875 1.0546875, 1.0546875 0.87890625,"
        " 0.703125 0.87890625))",
        DOCS,
    ),
    Answer("ST_GeomFromGeoHash", "ST_GeomFromGeoHash('a', 1)", None, CODE),
    Answer(
        "ST_PointFromGeoHash", "ST_AsText(ST_PointFromGeoHash('s00twy01mt', 4))", "POINT (0.87890625 0.966796875)", DOCS
    ),
    Answer("ST_BingTileAt", "ST_BingTileAt(60, 30.12, 15)", "123030123010121", DOCS),
    Answer("ST_BingTileZoomLevel", "ST_BingTileZoomLevel('213')", 3, DOCS),
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
ROADS = (
    "('a', ST_GeomFromWKT('LINESTRING (2 4, 4 0)')), ('b', ST_GeomFromWKT('LINESTRING (6 0, 10 4)')),"
    " ('c', ST_GeomFromWKT('LINESTRING (0 2, 9 3)')) AS t(id, geometry)"
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
    # Spatial joins.
    Query(
        "SELECT points.id AS point_id, polygons.id AS polygon_id FROM points"
        " JOIN polygons ON ST_Within(points.geometry, polygons.geometry) ORDER BY 1",
        [("b", "y"), ("c", "x")],
        {"points": POINTS, "polygons": POLYGONS},
    ),
    Query(
        "SELECT points.id AS point_id, polygons.id AS polygon_id FROM points"
        " LEFT JOIN polygons ON ST_Within(points.geometry, polygons.geometry) ORDER BY 1",
        [("a", None), ("b", "y"), ("c", "x")],
        {"points": POINTS, "polygons": POLYGONS},
    ),
    Query(
        "SELECT points.id, polygons.id FROM points"
        " LEFT JOIN polygons ON ST_Contains(polygons.geometry, points.geometry) ORDER BY points.id",
        [("a", None), ("b", "y"), ("c", "x")],
        {"points": POINTS, "polygons": POLYGONS},
    ),
    Query(
        "SELECT lines.id AS line_id, polygons.id AS polygon_id FROM lines"
        " LEFT JOIN polygons ON ST_Crosses(lines.geometry, polygons.geometry) ORDER BY line_id, polygon_id",
        [("a", "x"), ("b", None), ("c", "x"), ("c", "y")],
        {"lines": ROADS, "polygons": POLYGONS},
    ),
    Query(
        "SELECT lines.id AS line_id FROM lines"
        " JOIN polygons ON ST_Touches(lines.geometry, polygons.geometry) WHERE polygons.id = 'y'",
        [("b",)],
        {"lines": ROADS, "polygons": POLYGONS},
    ),
    Query(
        "SELECT a.id, b.id FROM polygons a JOIN polygons b"
        " ON ST_Overlaps(ST_Buffer(a.geometry, 2.0), b.geometry) ORDER BY 1, 2",
        [],
        {"polygons": POLYGONS},
    ),
    Query(
        "SELECT a.id, b.id FROM polygons a, polygons b WHERE ST_Overlaps(ST_Translate(a.geometry, 3, 0), b.geometry)",
        [("x", "y")],
        {"polygons": POLYGONS},
    ),
    Query(
        "SELECT polygondf.id, pointdf.id FROM polygondf, pointdf"
        " WHERE ST_Intersects(polygondf.geometry, pointdf.geometry) ORDER BY polygondf.id",
        [("x", "c"), ("y", "b")],
        {"polygondf": POLYGONS, "pointdf": POINTS},
    ),
    Query(
        "SELECT polygondf.id, pointdf.id FROM polygondf, pointdf"
        " WHERE ST_Contains(polygondf.geometry, pointdf.geometry)"
        " AND ST_Contains(ST_PolygonFromEnvelope(0.0, 0.0, 5.0, 5.0), polygondf.geometry)",
        [("x", "c")],
        {"polygondf": POLYGONS, "pointdf": POINTS},
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
        "SELECT points.id FROM points LEFT ANTI JOIN polygons ON ST_CoveredBy(points.geometry, polygons.geometry)",
        [("a",)],
        {"points": POINTS, "polygons": POLYGONS},
    ),
    # Joins by distance, and the nearest.
    Query(
        "SELECT transit.id FROM VALUES ('p1', ST_Point(4.5, 3)) AS points(id, geometry) JOIN transit ON"
        " ST_DWithin(points.geometry, transit.geometry, 2.5) ORDER BY 1",
        [("t2",), ("t3",)],
        {"transit": TRANSIT},
    ),
    Query(
        "SELECT id FROM transit WHERE ST_Distance(geometry, ST_Point(4.5, 3)) <= 2.5 ORDER BY id",
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
        "SELECT id, ST_Distance(ST_Point(longitude, latitude), ST_Point(8, 8)) AS distance"
        " FROM coffee_shops ORDER BY distance LIMIT 2",
        [("c4", 4.0), ("c2", 5.830951894845301)],
        {"coffee_shops": SHOPS},
    ),
    Query(
        "SELECT min_by(id, ST_Distance(ST_Point(longitude, latitude), ST_Point(5, 0))) FROM coffee_shops",
        [("c3",)],
        {"coffee_shops": SHOPS},
    ),
    Query(
        "SELECT a.name, b.name, ST_DistanceSphere(ST_Point(a.longitude, a.latitude),"
        " ST_Point(b.longitude, b.latitude)) FROM cities a JOIN cities b ON a.name = 'seattle' AND b.name <> a.name"
        " ORDER BY b.name",
        [("seattle", "new york", 3870075.7867602874), ("seattle", "sydney", 12473172.370818963)],
        {"cities": CITIES},
    ),
    Query(
        "SELECT b.name, ST_DistanceSpheroid(ST_Point(a.longitude, a.latitude),"
        " ST_Point(b.longitude, b.latitude)) FROM cities a JOIN cities b ON a.name = 'seattle' AND b.name <> a.name"
        " ORDER BY b.name",
        [("new york", 3880173.4858397646), ("sydney", 12456531.875384018)],
        {"cities": CITIES},
    ),
    Query(
        "SELECT a.name, b.name FROM cities a, cities b WHERE a.name < b.name AND ST_DWithin("
        "ST_Point(a.longitude, a.latitude), ST_Point(b.longitude, b.latitude), 4000000, true)",
        [("new york", "seattle")],
        {"cities": CITIES},
    ),
    Query(
        "SELECT ST_AsText(start), ST_Distance(start, end) FROM VALUES (ST_Point(2, 3), ST_Point(6, 4)),"
        " (ST_Point(6, 2), ST_Point(9, 2)) AS t(start, end) ORDER BY 1",
        [("POINT (2 3)", 4.123105625617661), ("POINT (6 2)", 3.0)],
    ),
    Query(
        "SELECT ST_Distance(a, b), ST_3DDistance(a, b) FROM VALUES (ST_PointZ(-73.9857, 40.7484, 0),"
        " ST_PointZ(-73.9857, 40.7484, 380)) AS t(a, b)",
        [(0.0, 380.0)],
    ),
    # Range queries.
    Query(
        "SELECT id FROM points WHERE ST_Contains(ST_PolygonFromEnvelope(1.0, 1.0, 8.0, 8.0), geometry) ORDER BY id",
        [("b",), ("c",)],
        {"points": POINTS},
    ),
    Query(
        "SELECT count(*) FROM points WHERE ST_Intersects(geometry, ST_MakeEnvelope(0, 0, 2, 2))",
        [(2,)],
        {"points": POINTS},
    ),
    Query(
        "SELECT id FROM points WHERE ST_X(geometry) BETWEEN 1 AND 5 AND ST_Y(geometry) > 1",
        [("c",)],
        {"points": POINTS},
    ),
    Query(
        "SELECT id, round(ST_Length(geometry), 3) FROM lines WHERE ST_Length(geometry) > 5"
        " ORDER BY ST_Length(geometry) DESC",
        [("c", 9.055), ("b", 5.657)],
        {"lines": ROADS},
    ),
    Query(
        "SELECT id FROM polygons WHERE ST_Within(geometry, ST_GeomFromWKT('POLYGON ((5 1, 9 1, 9 5, 5 5, 5 1))'))",
        [("y",)],
        {"polygons": POLYGONS},
    ),
    # Tables from text files.
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
        "SELECT ST_AsText(ST_Centroid(ST_GeomFromText(_c0))) FROM rawdf ORDER BY _c2",
        [("POINT (2 2)",), ("POINT (11 11)",)],
        {"rawdf": COUNTIES},
    ),
    Query(
        "SELECT id, ST_AsEWKT(ST_GeomFromWKT(wkt, 4326)) FROM VALUES (1, 'POINT (1 2)'), (2, NULL) AS t(id, wkt)"
        " ORDER BY id",
        [(1, "SRID=4326;POINT (1 2)"), (2, None)],
    ),
    Query(
        "SELECT ST_AsText(ST_GeomFromWKB(unhex(wkb))) FROM VALUES ('0101000000000000000000F03F0000000000000040')"
        " AS t(wkb)",
        [("POINT (1 2)",)],
    ),
    Query(
        "SELECT ST_AsText(ST_PointFromText(text, ',')) FROM VALUES ('-88.331492,32.324142'), ('-88.175933,32.360763')"
        " AS t(text) ORDER BY 1",
        [("POINT (-88.175933 32.360763)",), ("POINT (-88.331492 32.324142)",)],
    ),
    Query(
        "SELECT ST_GeometryType(ST_GeomFromWKT(wkt)) AS kind, count(*) FROM VALUES ('POINT (1 1)'), ('POINT (2 2)'),"
        " ('LINESTRING (0 0, 1 1)') AS t(wkt) GROUP BY kind ORDER BY kind",
        [("ST_LineString", 1), ("ST_Point", 2)],
    ),
    # GeoJSON.
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
    Query("SELECT ST_AsGeoJSON(ST_SetSRID(ST_Point(1.5, 2), 4326))", [('{"type":"Point","coordinates":[1.5,2.0]}',)]),
    Query("SELECT get_json_object(ST_AsGeoJSON(ST_GeomFromWKT('LINESTRING (0 0, 1 1)')), '$.type')", [("LineString",)]),
    # Buffers.
    Query(
        "SELECT ST_Contains(ST_Buffer(ST_Point(0, 0), 5), ST_Point(3, 3.9)), ST_Contains(ST_Buffer(ST_Point(0, 0), 5),"
        " ST_Point(4, 4))",
        [(True, False)],
    ),
    Query(
        "SELECT ST_NPoints(ST_Buffer(ST_Point(0, 0), 1)), ST_NPoints(ST_Buffer(ST_Point(0, 0), 1, false,"
        " 'quad_segs=2'))",
        [(33, 9)],
    ),
    Query(
        "SELECT p.id, count(s.id) FROM points p LEFT JOIN transit s"
        " ON ST_Intersects(ST_Buffer(p.geometry, 2.5), s.geometry) GROUP BY p.id ORDER BY p.id",
        [("a", 0), ("b", 2), ("c", 2)],
        {"points": POINTS, "transit": TRANSIT},
    ),
    Query(
        "SELECT round(ST_Area(ST_Buffer(ST_GeomFromWKT('LINESTRING (0 0, 10 0)'), 1, false, 'endcap=flat')), 6)",
        [(20.0,)],
    ),
    Query("SELECT ST_IsEmpty(ST_Buffer(ST_GeomFromWKT('POLYGON ((0 0, 0 4, 4 4, 4 0, 0 0))'), -3))", [(True,)]),
    # Reference systems.
    Query(
        "SELECT ST_AsEWKT(ST_Transform(ST_SetSRID(ST_Point(1, 2), 4326), 'EPSG:3857')), ST_SRID(ST_SetSRID(ST_Point(1,"
        " 2), 4326))",
        [("SRID=3857;POINT (111319.49079327357 222684.20850554405)", 4326)],
    ),
    Query(
        "SELECT ST_AsText(ST_ReducePrecision(ST_Transform(ST_Transform(ST_Point(-71.01, 42.37), 'EPSG:4326',"
        " 'EPSG:32619'), 'EPSG:4326'), 6))",
        [("POINT (-71.01 42.37)",)],
    ),
    Query(
        "SELECT round(ST_Distance(ST_Transform(a, 'EPSG:4326', 'EPSG:3857'), ST_Transform(b, 'EPSG:4326',"
        " 'EPSG:3857')), 3) FROM VALUES (ST_Point(0, 0), ST_Point(1, 0)) AS t(a, b)",
        [(111319.491,)],
    ),
    Query(
        "SELECT name FROM cities WHERE ST_Y(ST_Transform(ST_Point(longitude, latitude), 'EPSG:4326', 'EPSG:3857')) < 0",
        [("sydney",)],
        {"cities": CITIES},
    ),
    Query(
        "SELECT ST_AsText(ST_FlipCoordinates(ST_GeomFromText('POINT (40.7128 -74.0060)')))",
        [("POINT (-74.006 40.7128)",)],
    ),
    Query(
        "SELECT ST_SRID(g), ST_SRID(ST_Envelope(g)), ST_SRID(ST_Buffer(g, 1)), ST_SRID(ST_StartPoint(g)),"
        " ST_SRID(ST_Union(g, g)), ST_SRID(ST_GeometryN(g, 0)), ST_SRID(ST_LineMerge(g)), ST_SRID(ST_AddPoint(g,"
        " ST_Point(5, 5))) FROM VALUES (ST_GeomFromWKT('LINESTRING (0 0, 1 1)', 4326)) AS t(g)",
        [(4326, 4326, 4326, 4326, 4326, 4326, 4326, 4326)],
    ),
    # Aggregation by zone.
    Query(
        "SELECT z.id, count(t.trip), sum(t.fare) FROM zones z LEFT JOIN trips t"
        " ON ST_Contains(z.geometry, t.start) GROUP BY z.id ORDER BY z.id",
        [("x", 2, Decimal("30.0")), ("y", 1, Decimal("5.0"))],
        {"trips": TRIPS, "zones": POLYGONS},
    ),
    Query(
        "SELECT z.id, count(*) / ST_Area(z.geometry) AS density FROM zones z JOIN"
        " trips t ON ST_Contains(z.geometry, t.start) GROUP BY z.id, z.geometry ORDER BY density",
        [("x", 0.2222222222222222), ("y", 0.25)],
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
        "SELECT fare > 5 AS dear, ST_AsText(ST_ConvexHull(ST_Collect_Agg(start))) FROM trips GROUP"
        " BY dear ORDER BY dear",
        [(False, "LINESTRING (7 3, 20 20)"), (True, "LINESTRING (2 2, 3 3)")],
        {"trips": TRIPS},
    ),
    Query(
        "SELECT ST_AsText(ST_Union_Agg(geometry) FILTER (WHERE id = 'x')) FROM zones",
        [("POLYGON ((1 1, 1 4, 4 4, 4 1, 1 1))",)],
        {"zones": POLYGONS},
    ),
    # Taking apart and putting together.
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
        "SELECT ST_AsText(ST_Normalize(ST_Intersection(a, b))), ST_Area(ST_Difference(a, b)),"
        " ST_Area(ST_SymDifference(a, b)) FROM"
        " VALUES (ST_PolygonFromEnvelope(0, 0, 4, 4), ST_PolygonFromEnvelope(2, 0, 6, 4)) AS t(a, b)",
        [("POLYGON ((2 0, 2 4, 4 4, 4 0, 2 0))", 8.0, 16.0)],
    ),
    Query(
        "SELECT ST_AsText(ST_LineInterpolatePoint(g, 0.5)), ST_LineLocatePoint(g, ST_Point(0, 4)), ST_AsText("
        "ST_LineSubstring(g, 0.25, 0.75)) FROM VALUES (ST_GeomFromWKT('LINESTRING (0 0, 0 8)')) AS t(g)",
        [("POINT (0 4)", 0.5, "LINESTRING (0 2, 0 6)")],
    ),
    Query(
        "SELECT ST_IsValid(g), ST_IsSimple(ST_ExteriorRing(g)), ST_IsValid(ST_MakeValid(g)) FROM VALUES"
        " (ST_GeomFromWKT('POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))')) AS t(g)",
        [(False, False, True)],
    ),
    Query(
        "SELECT CASE WHEN ST_Area(geometry) > 5 THEN 'large' ELSE 'small' END, ST_NPoints(geometry),"
        " ST_XMin(geometry), ST_YMax(geometry) FROM polygons ORDER BY id",
        [("large", 5, 1.0, 4.0), ("small", 5, 6.0, 4.0)],
        {"polygons": POLYGONS},
    ),
]
