"""Sedona's functions of geometries (Apache Sedona 1.9), and what the local server has of them.

A function is *renamed* if it has a macro in ``geometry.sql`` or another name in DuckDB, and means the same. Each name
stands in exactly one of ``SAME``, ``RENAMED``, ``MISSING`` and the macros.
"""

# ruff: noqa: SIM905 - names are read more easily without quotes.

from __future__ import annotations

# The same name, arguments and meaning in DuckDB.
SAME = frozenset(
    """
    st_area st_asbinary st_azimuth st_boundary st_buildarea st_closestpoint st_contains st_convexhull st_coveredby
    st_covers st_crosses st_difference st_dimension st_disjoint st_distance st_endpoint st_envelope_agg st_equals
    st_exteriorring st_flipcoordinates st_force2d st_hasm st_hasz st_interpolatepoint st_intersection
    st_intersection_agg st_intersects st_isempty st_isring st_issimple st_isvalid st_length st_lineinterpolatepoint
    st_linelocatepoint st_linesubstring st_makepolygon st_mmax st_mmin st_multi st_normalize st_numinteriorrings
    st_overlaps st_point st_pointn st_pointonsurface st_points st_reverse st_shortestline st_simplify
    st_simplifypreservetopology st_snap st_startpoint st_symdifference st_touches st_union_agg st_within st_xmax
    st_xmin st_ymax st_ymin st_zmax st_zmin
    """.split()
)

# Another name in DuckDB, the same arguments and meaning. No macros: an aggregate that is one loses FILTER and OVER.
RENAMED = {
    "st_envelope_aggr": "st_envelope_agg",
    "st_intersection_aggr": "st_intersection_agg",
    "st_union_aggr": "st_union_agg",
}

# Answered, but not always as the service does.
DIFFERENT = {
    "st_3ddistance": "Only the distance of two points is known; other geometries are refused.",
    "st_affine": "M is lost.",
    "st_asewkb": "Geometries with Z or M are refused.",
    "st_asgeojson": "Only the geometry itself is written; the second argument is refused.",
    "st_ashexewkb": "Geometries with Z or M, and the second argument, are refused.",
    "st_buffer": "The spheroid and the style `side` are refused.",
    "st_collect": "It takes an array or two to four geometries.",
    "st_collect_agg": "It has no DISTINCT, FILTER and OVER.",
    "st_concavehull": "The hull is that of GEOS, which can keep other points.",
    "st_dump": "A collection inside a collection is refused.",
    "st_expand": "Geometries with Z, and the fourth argument, are refused.",
    "st_forcecollection": "A collection inside a collection is refused.",
    "st_geometryn": "A collection inside a collection is refused.",
    "st_geomfromewkb": "A SRID inside is refused.",
    "st_geomfromewkt": "The text must be a literal, because the SRID is part of the column's type.",
    "st_geomfromwkb": "A SRID inside is refused.",
    "st_hausdorffdistance": "The third argument is refused.",
    "st_linefromwkb": "A SRID inside is refused.",
    "st_linesegments": "The second argument is refused.",
    "st_linestringfromwkb": "A SRID inside is refused.",
    "st_makevalid": "Broken geometries can be mended in another way, and the second argument is refused.",
    "st_maximuminscribedcircle": "Centre and radius differ within the tolerance, a thousandth of the size.",
    "st_pointfromwkb": "A SRID inside is refused.",
    "st_project": "The fourth argument is refused.",
    "st_reduceprecision": "Points that fall together can be left out in another way.",
    "st_removerepeatedpoints": "Points that repeat in a MULTIPOINT stay.",
    "st_setsrid": "The SRID must be a literal, because it is part of the column's type.",
    "st_transform": "There are no datum grids, so that some systems differ by metres.",
    "st_voronoipolygons": "Only the first argument is known.",
}

# What the service has and the local server refuses.
MISSING = frozenset(
    """
    expandaddress parseaddress st_3ddwithin st_3dextent st_3dmakebox st_addmeasure st_approximatemedialaxis st_asgml
    st_askml st_bestsrid st_binarydistancebandcolumn st_bingtile st_bingtilecellids st_bingtilepolygon
    st_bingtilesaround st_bingtiletogeom st_bingtilex st_bingtiley st_box2d st_box3d st_crossesdateline st_dbscan
    st_delaunaytriangles st_extent st_frechetdistance st_generatepoints st_geogcollfromtext st_geogfromewkb
    st_geogfromewkt st_geogfromgeohash st_geogfromtext st_geogfromwkb st_geogfromwkt st_geogtogeometry
    st_geohashneighbor st_geohashneighbors st_geometricmedian st_geomfrombox2d st_geomfromgml st_geomfromkml
    st_geomfrommysql st_geomtogeography st_glocal st_h3celldistance st_h3cellids st_h3kring st_h3togeom
    st_islinestringccw st_isvaliddetail st_isvalidreason st_knn st_labelpoint st_localoutlierfactor st_locatealong
    st_makebox2d st_minimumboundingcircle st_minimumboundingradius st_minimumclearance st_minimumclearanceline
    st_offsetcurve st_relate st_s2cellids st_s2togeom st_segmentize st_shiftlongitude st_simplifypolygonhull
    st_simplifyvw st_split st_straightskeleton st_subdivide st_subdivideexplode st_triangulatepolygon
    st_weighteddistancebandcolumn
    """.split()
)

# What holds for all functions.
EVERYWHERE = (
    "A SRID belongs to a column, not to a single geometry. Geometries of different SRIDs in one call or one column are"
    " refused, where the service takes the coordinates as they are.",
    "Geometries with and without Z or M in one result, such as a union of both, are refused.",
    "A ring can start at another point, or turn the other way, than the service's; the shape is the same.",
)
