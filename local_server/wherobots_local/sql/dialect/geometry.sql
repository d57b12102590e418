-- Sedona's functions that DuckDB's spatial extension lacks, or has with another meaning or order of arguments.
-- A name with a leading underscore only serves the others.
-- `list_transform([x], lambda p: ...)[1]` names a value: a macro repeats the text of its argument wherever it stands,
-- and nested calls would double with every level. Such names are numbered, so that none hides another or a column.
-- A geometry's SRID is part of its type, which a CASE can lose: _st_keep.

CREATE MACRO spark._st_crs(srid) AS regexp_replace('EPSG:' || srid, '^EPSG:0?$', '');
CREATE MACRO spark._st_keep(result, g) AS ST_SetCRS(result, coalesce(ST_CRS(g), ''));
CREATE MACRO spark._st_type(g) AS ST_GeometryType(g)::VARCHAR;
CREATE MACRO spark._st_only(g, kind) AS list_transform([g], lambda _p2: CASE WHEN regexp_full_match(spark._st_type(_p2), kind) THEN _p2 END)[1];
CREATE MACRO spark._st_flat(g) AS list_transform(ST_Dump(g), lambda _part3: _part3.geom);
CREATE MACRO spark._st_points(g) AS spark._st_flat(ST_Points(g));
CREATE MACRO spark._st_missing(what) AS error('[UNSUPPORTED_FEATURE] The local server does not support ' || what || '. SQLSTATE: 0A000');
-- The elements of a collection, one level down.
CREATE MACRO spark._st_parts(g) AS list_transform(ST_Dump(g), lambda _part4: CASE WHEN len(_part4.path) > 1
    THEN spark._st_missing('collections inside collections here') ELSE _part4.geom END);

-- Constructors. Text of three coordinates needs no Z, as in JTS.
CREATE MACRO spark._st_wkt(wkt) AS ST_GeomFromText(list_transform([wkt], lambda _t5:
    CASE WHEN _t5 ILIKE '%SRID=%' THEN error('Unknown geometry type: SRID')
         WHEN regexp_matches(_t5, '^[\s\w(]*\(\s*[^\s,()]+\s+[^\s,()]+\s+[^\s,()]+\s*[,)]') AND NOT regexp_matches(_t5, '(?i)[zm]\s*\(')
         THEN regexp_replace(_t5, '(?i)(POINT|STRING|POLYGON|COLLECTION)\b', '\1 Z', 'g') ELSE _t5 END)[1]);
CREATE MACRO spark.st_geomfromwkt(wkt, srid := 0) AS ST_SetCRS(spark._st_wkt(wkt), spark._st_crs(srid));
CREATE MACRO spark.st_linefromtext(wkt) AS spark._st_only(spark._st_wkt(wkt), '(MULTI)?LINESTRING');
CREATE MACRO spark.st_mlinefromtext(wkt, srid := 0) AS spark._st_only(spark.st_geomfromwkt(wkt, srid), 'MULTILINESTRING');
CREATE MACRO spark.st_mpointfromtext(wkt, srid := 0) AS spark._st_only(spark.st_geomfromwkt(wkt, srid), 'MULTIPOINT');
CREATE MACRO spark.st_mpolyfromtext(wkt, srid := 0) AS spark._st_only(spark.st_geomfromwkt(wkt, srid), 'MULTIPOLYGON');
CREATE MACRO spark.st_geomcollfromtext(wkt, srid := 0) AS spark._st_only(spark.st_geomfromwkt(wkt, srid), 'GEOMETRYCOLLECTION');
CREATE MACRO spark.st_geomfromewkt(ewkt) AS ST_SetCRS(spark._st_wkt(regexp_replace(ewkt, '^\s*SRID=\d+;', '')),
    spark._st_crs(split_part(split_part(ewkt, ';', 1), 'SRID=', 2)));
CREATE MACRO spark._st_hex(wkb) AS list_transform([wkb], lambda _w6: if(typeof(_w6) = 'BLOB', hex(_w6::BLOB), _w6::VARCHAR))[1];
CREATE MACRO spark._st_wkb(wkb) AS ST_GeomFromHEXEWKB(list_transform([spark._st_hex(wkb)], lambda _h7:
    CASE WHEN regexp_matches(_h7, '(?i)^(01.{6}|00)[2367ABEF]') THEN spark._st_missing('WKB with a SRID inside') ELSE _h7 END)[1]);
CREATE MACRO spark.st_geomfromwkb(wkb, srid := 0) AS ST_SetCRS(spark._st_wkb(wkb), spark._st_crs(srid));
CREATE MACRO spark.st_pointfromwkb(wkb, srid := 0) AS spark._st_only(spark.st_geomfromwkb(wkb, srid), 'POINT');
CREATE MACRO spark.st_linefromwkb(wkb, srid := 0) AS spark._st_only(spark.st_geomfromwkb(wkb, srid), 'LINESTRING');
CREATE MACRO spark._st_pairs(text, delimiter) AS list_transform([string_split(text, delimiter)], lambda _s8:
    array_to_string(list_transform(range(1, len(_s8), 2), lambda _i8: _s8[_i8] || ' ' || _s8[_i8 + 1]), ', '))[1];
CREATE MACRO spark.st_pointfromtext(text, delimiter) AS ST_GeomFromText('POINT (' || split_part(spark._st_pairs(text, delimiter), ',', 1) || ')');
CREATE MACRO spark.st_linestringfromtext(text, delimiter) AS ST_GeomFromText('LINESTRING (' || spark._st_pairs(text, delimiter) || ')');
CREATE MACRO spark.st_polygonfromtext(text, delimiter) AS ST_GeomFromText('POLYGON ((' || spark._st_pairs(text, delimiter) || '))');
CREATE MACRO spark.st_geomfromgeojson(text) AS ST_GeomFromGeoJSON(list_transform([text], lambda _t9:
    CASE WHEN json_extract_string(_t9, '$.type') = 'Feature' THEN json_extract(_t9, '$.geometry')::VARCHAR ELSE _t9 END)[1]);
CREATE MACRO spark.st_makepoint(x, y) AS ST_Point(x, y), (x, y, z) AS ST_Force3DZ(ST_Point(x, y), z),
    (x, y, z, m) AS ST_Force4D(ST_Point(x, y), z, m);
CREATE MACRO spark.st_makepointm(x, y, m) AS ST_Force3DM(ST_Point(x, y), m);
CREATE MACRO spark.st_pointz(x, y, z, srid := 0) AS ST_SetCRS(ST_Force3DZ(ST_Point(x, y), z), spark._st_crs(srid));
CREATE MACRO spark.st_pointm(x, y, m, srid := 0) AS ST_SetCRS(ST_Force4D(ST_Point(x, y), 0, m), spark._st_crs(srid));
CREATE MACRO spark.st_pointzm(x, y, z, m, srid := 0) AS ST_SetCRS(ST_Force4D(ST_Point(x, y), z, m), spark._st_crs(srid));
CREATE MACRO spark.st_makeenvelope(x1, y1, x2, y2, srid := 0) AS ST_SetCRS(ST_MakeEnvelope(x1, y1, x2, y2), spark._st_crs(srid));
CREATE MACRO spark.st_polygon(line, srid) AS ST_SetCRS(ST_MakePolygon(line), spark._st_crs(srid));

-- The reference system.
CREATE MACRO spark.st_setsrid(g, srid) AS ST_SetCRS(g, spark._st_crs(srid));
CREATE MACRO spark._st_srid(g) AS coalesce(TRY_CAST(regexp_extract(ST_CRS(g), '^EPSG:(\d+)$', 1) AS INTEGER), if(ST_CRS(g) = 'OGC:CRS84', 4326, 0));
CREATE MACRO spark.st_srid(g) AS list_transform([g], lambda _p10: CASE WHEN _p10 IS NOT NULL THEN spark._st_srid(_p10) END)[1];
CREATE MACRO spark._st_code(crs) AS regexp_replace(crs || '', '(?i)^epsg:', 'EPSG:');
CREATE MACRO spark._st_transform(g, target) AS list_transform([g], lambda _p11: ST_Transform(_p11, spark._st_code(target), true))[1];
CREATE MACRO spark.st_transform(g, target) AS spark._st_transform(g, target),
    (g, source, target) AS spark._st_transform(ST_SetCRS(g, spark._st_code(source)), target),
    (g, source, target, lenient) AS spark._st_transform(ST_SetCRS(g, spark._st_code(source)), target);

-- Text and bytes, as JTS writes them: POINT Z(1 2 3), MULTIPOINT ((1 2), (3 4)), numbers without an exponent.
CREATE MACRO spark._st_number(text) AS list_transform([regexp_extract(text, '^(-?)(\d+)\.?(\d*)e([+-]\d+)$', ['sign', 'whole', 'rest', 'exponent'])],
    lambda _n12: CASE WHEN _n12.exponent = '' THEN text
                   WHEN _n12.exponent LIKE '-%' THEN _n12.sign || '0.' || repeat('0', -_n12.exponent::INTEGER - 1) || _n12.whole || _n12.rest
                   ELSE _n12.sign || _n12.whole || _n12.rest || repeat('0', _n12.exponent::INTEGER - len(_n12.rest)) END)[1];
CREATE MACRO spark._st_multipoints(text) AS list_transform(regexp_extract_all(text, 'MULTIPOINT[ ZM]*\([^()]*\)|[^M]+|M'), lambda _part13:
    CASE WHEN _part13 LIKE 'MULTIPOINT%(%' THEN replace(replace(replace(replace(_part13, '(', '(('), ')', '))'), ', ', '), ('), '(EMPTY)', 'EMPTY')
         ELSE _part13 END);
CREATE MACRO spark._st_text(g) AS list_transform([regexp_replace(regexp_replace(ST_AsText(g), ' (Z|M|ZM) \(', ' \1(', 'g'), ' (Z|M|ZM) EMPTY', ' EMPTY', 'g')],
    lambda _t14: CASE WHEN regexp_matches(_t14, 'e|MULTIPOINT') THEN array_to_string(list_transform(
        regexp_extract_all(array_to_string(spark._st_multipoints(_t14), ''), '[-+.e0-9]+|[^-+.e0-9]+'), lambda _token14: spark._st_number(_token14)), '') ELSE _t14 END)[1];
CREATE MACRO spark.st_asewkt(g) AS list_transform([g], lambda _p15: if(spark._st_srid(_p15) = 0, '', 'SRID=' || spark._st_srid(_p15) || ';') || spark._st_text(_p15))[1];
CREATE MACRO spark.st_asgeojson(g) AS ST_AsGeoJSON(g)::VARCHAR;
CREATE MACRO spark._st_hexewkb(g) AS list_transform([g], lambda _p16: list_transform([ST_AsHEXWKB(_p16)], lambda _h16: CASE
    WHEN ST_ZMFlag(_p16) > 0 THEN spark._st_missing('EWKB of Z and M') WHEN spark._st_srid(_p16) = 0 THEN _h16
    ELSE _h16[1:4] || '000020' || regexp_replace(printf('%08X', spark._st_srid(_p16)), '(..)(..)(..)(..)', '\4\3\2\1') || _h16[11:] END)[1])[1];
CREATE MACRO spark.st_asewkb(g) AS from_hex(spark._st_hexewkb(g));

-- Accessors. Positions of Sedona count from zero, but ST_PointN's from one.
CREATE MACRO spark.geometrytype(g) AS list_transform([g], lambda _p17: spark._st_type(_p17) || if(ST_HasM(_p17), 'M', ''))[1];
CREATE MACRO spark.st_geometrytype(g) AS 'ST_' || MAP {'POINT': 'Point', 'LINESTRING': 'LineString', 'POLYGON': 'Polygon', 'MULTIPOINT': 'MultiPoint',
    'MULTILINESTRING': 'MultiLineString', 'MULTIPOLYGON': 'MultiPolygon', 'GEOMETRYCOLLECTION': 'GeometryCollection'}[spark._st_type(g)];
CREATE MACRO spark.st_iscollection(g) AS regexp_matches(spark._st_type(g), 'MULTI|COLLECTION');
CREATE MACRO spark.st_isclosed(g) AS list_transform([g], lambda _p18: CASE WHEN spark._st_type(_p18) LIKE '%LINESTRING' THEN ST_IsClosed(_p18)
    ELSE spark._st_type(_p18) <> 'GEOMETRYCOLLECTION' END)[1];
CREATE MACRO spark.st_x(g) AS list_transform([g], lambda _p19: CASE WHEN spark._st_type(_p19) = 'POINT' THEN ST_X(_p19) END)[1];
CREATE MACRO spark.st_y(g) AS list_transform([g], lambda _p20: CASE WHEN spark._st_type(_p20) = 'POINT' THEN ST_Y(_p20) END)[1];
CREATE MACRO spark.st_z(g) AS list_transform([g], lambda _p21: CASE WHEN spark._st_type(_p21) = 'POINT' THEN ST_Z(_p21) END)[1];
CREATE MACRO spark.st_m(g) AS list_transform([g], lambda _p22: CASE WHEN spark._st_type(_p22) = 'POINT' THEN ST_M(_p22) END)[1];
CREATE MACRO spark.st_ndims(g) AS [2, 3, 3, 4][ST_ZMFlag(g) + 1];
CREATE MACRO spark.st_zmflag(g) AS ST_ZMFlag(g)::INTEGER;
CREATE MACRO spark.st_npoints(g) AS ST_NPoints(g)::INTEGER;
CREATE MACRO spark.st_numpoints(g) AS list_transform([g], lambda _p23: CASE WHEN spark._st_type(_p23) = 'LINESTRING' THEN ST_NPoints(_p23)::INTEGER
    WHEN _p23 IS NOT NULL THEN error('Unsupported geometry type: ' || spark._st_type(_p23) || ', only LineString geometry is supported.') END)[1];
CREATE MACRO spark.st_numgeometries(g) AS list_transform([g], lambda _p24: if(spark.st_iscollection(_p24), ST_NumGeometries(_p24), ST_NumGeometries(_p24) ** 0)::INTEGER)[1];
CREATE MACRO spark.st_nrings(g) AS list_transform([g], lambda _p25: CASE WHEN spark._st_type(_p25) LIKE '%POLYGON'
    THEN coalesce(list_sum(list_transform(spark._st_flat(_p25), lambda _q25: if(ST_IsEmpty(_q25), 0, 1 + ST_NumInteriorRings(_q25)))), 0)::INTEGER
    WHEN _p25 IS NOT NULL THEN error('Unsupported geometry type: ' || spark._st_type(_p25) || ', only Polygon or MultiPolygon geometries are supported.') END)[1];
CREATE MACRO spark.st_interiorringn(g, n) AS ST_InteriorRingN(g, n + 1);
CREATE MACRO spark.st_geometryn(g, n) AS spark._st_parts(g)[n + 1];

-- Editors.
CREATE MACRO spark.st_collect(parts) AS ST_Collect(parts), (a, b) AS ST_Collect([a, b]), (a, b, c) AS ST_Collect([a, b, c]), (a, b, c, d) AS ST_Collect([a, b, c, d]);
CREATE MACRO spark.st_collect_agg(g) AS ST_Collect(list_filter(list(g), lambda _part26: _part26 IS NOT NULL));
CREATE MACRO spark.st_collectionextract(g) AS ST_Multi(ST_CollectionExtract(g)), (g, kind) AS ST_Multi(ST_CollectionExtract(g, kind));
CREATE MACRO spark.st_force3d(g, z := 0) AS ST_Force3DZ(g, z);
CREATE MACRO spark.st_force3dm(g, m := 0) AS ST_Force3DM(g, m);
CREATE MACRO spark.st_force4d(g, z := 0, m := 0) AS ST_Force4D(g, z, m);
CREATE MACRO spark.st_forcecollection(g) AS list_transform([g], lambda _p27: spark._st_keep(ST_GeomFromText('GEOMETRYCOLLECTION' ||
    ['', ' M', ' Z', ' ZM'][ST_ZMFlag(_p27) + 1] || ' (' || array_to_string(list_transform(spark._st_parts(_p27), lambda _q27: ST_AsText(_q27)), ', ') || ')'), _p27))[1];
CREATE MACRO spark.st_linefrommultipoint(g) AS ST_MakeLine(spark._st_points(spark._st_only(g, 'MULTIPOINT')));
CREATE MACRO spark.st_linemerge(g) AS list_transform([g], lambda _p28: list_transform([ST_LineMerge(_p28)], lambda _line28: spark._st_keep(CASE
    WHEN spark._st_type(_p28) <> 'MULTILINESTRING' THEN ST_GeomFromText('GEOMETRYCOLLECTION EMPTY') WHEN spark._st_type(_line28) = 'LINESTRING' THEN _line28 ELSE _p28 END, _p28))[1])[1];
CREATE MACRO spark._st_vertices(g) AS list_transform([g], lambda _p29: CASE WHEN regexp_full_match(spark._st_type(_p29), '(MULTI)?POINT|LINESTRING') THEN spark._st_points(_p29)
    WHEN _p29 IS NOT NULL THEN error('ST_MakeLine only supports Point, MultiPoint and LineString geometries') END)[1];
CREATE MACRO spark.st_makeline(parts) AS ST_MakeLine(flatten(list_transform(parts, lambda _part30: spark._st_vertices(_part30)))),
    (a, b) AS ST_MakeLine(spark._st_vertices(a) || spark._st_vertices(b));
CREATE MACRO spark.st_linesegments(g) AS list_transform([g], lambda _p31: list_transform(range(1, (CASE WHEN spark._st_type(_p31) = 'LINESTRING' THEN ST_NPoints(_p31) WHEN _p31 IS NOT NULL THEN 0 END)::BIGINT),
    lambda _i31: ST_MakeLine(ST_PointN(_p31, _i31::INTEGER), ST_PointN(_p31, (_i31 + 1)::INTEGER))))[1];
-- A line with `removed` of its points, from the n-th, replaced by others. A negative n counts from the end.
CREATE MACRO spark._st_spliced(line, n, removed, points) AS list_transform([spark._st_points(spark._st_only(line, 'LINESTRING'))], lambda _p32:
    list_transform([points], lambda _new32: list_transform([n], lambda _n32: list_transform([if(_n32 < 0, _n32 + len(_p32) + 1 - removed, _n32)], lambda _i32:
    CASE WHEN _i32 BETWEEN 0 AND len(_p32) - removed AND len(_p32) + len(_new32) - removed > 1 AND (_n32 >= -1 OR len(_new32) = removed)
    THEN ST_MakeLine(list_concat(_p32[1:_i32], _new32, _p32[_i32 + removed + 1:])) END)[1])[1])[1])[1];
CREATE MACRO spark.st_addpoint(line, point) AS spark._st_spliced(line, -1, 0, spark._st_points(spark._st_only(point, 'POINT'))), (line, point, n) AS spark._st_spliced(line, n, 0, spark._st_points(spark._st_only(point, 'POINT')));
CREATE MACRO spark.st_removepoint(line) AS spark._st_spliced(line, -1, 1, []), (line, n) AS spark._st_spliced(line, n, 1, []);
CREATE MACRO spark.st_setpoint(line, n, point) AS spark._st_spliced(line, n, 1, spark._st_points(spark._st_only(point, 'POINT')));
CREATE MACRO spark.st_project(point, distance, azimuth) AS list_transform([azimuth], lambda _a33: list_transform([point], lambda _p33: list_transform([distance], lambda _d33:
    spark._st_keep(ST_Point(ST_X(_p33) + _d33 * sin(_a33), ST_Y(_p33) + _d33 * cos(_a33)), _p33))[1])[1])[1];
CREATE MACRO spark._st_ccw(ring) AS list_transform([spark._st_points(ring)], lambda _p34: list_sum(list_transform(range(1, len(_p34)), lambda _i34:
    (ST_X(_p34[_i34]) - ST_X(_p34[1])) * (ST_Y(_p34[_i34 + 1]) - ST_Y(_p34[1])) - (ST_X(_p34[_i34 + 1]) - ST_X(_p34[1])) * (ST_Y(_p34[_i34]) - ST_Y(_p34[1])))) > 0)[1];
CREATE MACRO spark._st_holes(polygon) AS list_transform([polygon], lambda _q35: list_transform(range(1, ST_NumInteriorRings(_q35) + 1), lambda _i35: ST_InteriorRingN(_q35, _i35)))[1];
CREATE MACRO spark._st_winds(g, ccw) AS list_transform([g], lambda _p36: CASE WHEN spark._st_type(_p36) LIKE '%POLYGON' THEN list_bool_and(list_transform(spark._st_flat(_p36), lambda _q36:
    spark._st_ccw(ST_ExteriorRing(_q36)) = ccw AND coalesce(list_bool_and(list_transform(spark._st_holes(_q36), lambda _hole36: spark._st_ccw(_hole36) <> ccw)), true)))
    WHEN _p36 IS NOT NULL THEN false END)[1];
CREATE MACRO spark._st_turn(ring, ccw) AS list_transform([ring], lambda _r37: if(spark._st_ccw(_r37) = ccw, _r37, ST_Reverse(_r37)))[1];
CREATE MACRO spark._st_wound(g, ccw) AS list_transform([g], lambda _p38: list_transform([list_transform(if(spark._st_type(_p38) LIKE '%POLYGON', spark._st_flat(_p38), []), lambda _q38:
    ST_MakePolygon(spark._st_turn(ST_ExteriorRing(_q38), ccw), list_transform(spark._st_holes(_q38), lambda _hole38: spark._st_turn(_hole38, NOT ccw))))], lambda _polygons38:
    spark._st_keep(CASE spark._st_type(_p38) WHEN 'POLYGON' THEN _polygons38[1] WHEN 'MULTIPOLYGON' THEN ST_Collect(_polygons38) ELSE _p38 END, _p38))[1])[1];
CREATE MACRO spark.st_ispolygonccw(g) AS spark._st_winds(g, true);
CREATE MACRO spark.st_ispolygoncw(g) AS spark._st_winds(g, false);
CREATE MACRO spark.st_forcepolygonccw(g) AS spark._st_wound(g, true);
CREATE MACRO spark.st_forcepolygoncw(g) AS spark._st_wound(g, false);

-- Predicates and measures. The sphere and the spheroid of DuckDB take the latitude first.
CREATE MACRO spark._st_flip(g) AS list_transform([ST_Centroid(g)], lambda _p39: ST_Point2D(ST_Y(_p39), ST_X(_p39)))[1];
CREATE MACRO spark.st_distancespheroid(a, b) AS ST_Distance_Spheroid(spark._st_flip(a), spark._st_flip(b));
CREATE MACRO spark.st_dwithin(a, b, distance) AS ST_DWithin(a, b, distance), (a, b, distance, spheroid) AS list_transform([a], lambda _a40:
    list_transform([b], lambda _b40: if(spheroid, spark.st_distancespheroid(_a40, _b40), ST_Distance(_a40, _b40)) <= distance)[1])[1];
CREATE MACRO spark.st_orderingequals(a, b) AS ST_AsWKB(ST_Force2D(a)) = ST_AsWKB(ST_Force2D(b));
CREATE MACRO spark.st_relatematch(matrix, pattern) AS regexp_full_match(matrix, replace(replace(pattern, '*', '.'), 'T', '[012]'));
CREATE MACRO spark.st_areaspheroid(g) AS ST_Area_Spheroid(ST_FlipCoordinates(g));
CREATE MACRO spark.st_lengthspheroid(g) AS ST_Length_Spheroid(ST_FlipCoordinates(g));
CREATE MACRO spark.st_perimeter(g, spheroid := false, lenient := true) AS list_transform([g], lambda _p41:
    if(spheroid, ST_Perimeter_Spheroid(ST_FlipCoordinates(_p41)), ST_Perimeter(_p41)))[1];
CREATE MACRO spark._st_haversine(p, q, radius) AS list_transform([pow(sin(radians(ST_Y(q) - ST_Y(p)) / 2), 2)
    + cos(radians(ST_Y(p))) * cos(radians(ST_Y(q))) * pow(sin(radians(ST_X(q) - ST_X(p)) / 2), 2)], lambda _h42: 2 * radius * atan2(sqrt(_h42), sqrt(abs(1 - _h42))))[1];
CREATE MACRO spark.st_distancesphere(a, b, radius := 6371008.0) AS list_transform([ST_Centroid(a)], lambda _p43:
    list_transform([ST_Centroid(b)], lambda _q43: spark._st_haversine(_p43, _q43, radius))[1])[1];
CREATE MACRO spark._st_direction(a, b) AS list_transform([a], lambda _p44: list_transform([b], lambda _q44: atan2(ST_Y(_q44) - ST_Y(_p44), ST_X(_q44) - ST_X(_p44)))[1])[1];
CREATE MACRO spark._st_turned(angle) AS list_transform([angle], lambda _d45: if(_d45 < 0, _d45 + 2 * pi(), _d45))[1];
CREATE MACRO spark.st_angle(a, b) AS spark._st_turned(list_transform([a], lambda _p46: spark._st_direction(ST_StartPoint(_p46), ST_EndPoint(_p46)))[1]
        - list_transform([b], lambda _p46: spark._st_direction(ST_StartPoint(_p46), ST_EndPoint(_p46)))[1]),
    (a, b, c) AS spark._st_turned(list_transform([b], lambda _corner46: spark._st_direction(_corner46, a) - spark._st_direction(_corner46, c))[1]),
    (a, b, c, d) AS spark._st_turned(spark._st_direction(a, b) - spark._st_direction(c, d));
CREATE MACRO spark.st_3ddistance(a, b) AS list_transform([ST_Force3DZ(a, 0)], lambda _p47: list_transform([ST_Force3DZ(b, 0)], lambda _q47:
    CASE WHEN spark._st_type(_p47) || spark._st_type(_q47) <> 'POINTPOINT' THEN spark._st_missing('ST_3DDistance of other geometries than points')
    ELSE sqrt(pow(ST_X(_p47) - ST_X(_q47), 2) + pow(ST_Y(_p47) - ST_Y(_q47), 2) + pow(ST_Z(_p47) - ST_Z(_q47), 2)) END)[1])[1];
CREATE MACRO spark.st_longestline(a, b) AS list_transform([spark._st_points(b)], lambda _far48: list_transform([flatten(list_transform(spark._st_points(a), lambda _p48:
    list_transform(_far48, lambda _q48: ST_MakeLine(_p48, _q48))))], lambda _lines48: list_transform([list_transform(_lines48, lambda _line48: ST_Length(_line48))], lambda _lengths48:
    _lines48[list_position(_lengths48, list_max(_lengths48))])[1])[1])[1];
CREATE MACRO spark.st_maxdistance(a, b) AS ST_Length(spark.st_longestline(a, b));
CREATE MACRO spark._st_outline(g) AS list_transform([g], lambda _p49: if(spark._st_type(_p49) LIKE '%POLYGON', ST_Boundary(_p49), _p49))[1];
CREATE MACRO spark.st_hausdorffdistance(a, b) AS list_transform([spark._st_outline(a)], lambda _p50: list_transform([spark._st_outline(b)], lambda _q50:
    CASE WHEN ST_IsEmpty(_p50) OR ST_IsEmpty(_q50) THEN 0 WHEN _p50 IS NOT NULL AND _q50 IS NOT NULL THEN greatest(list_max(list_transform(spark._st_points(_p50),
        lambda _v50: ST_Distance(_v50, _q50))), list_max(list_transform(spark._st_points(_q50), lambda _v50: ST_Distance(_v50, _p50)))) END)[1])[1];
CREATE MACRO spark.st_isvalidtrajectory(g) AS list_transform([g], lambda _p51: CASE WHEN spark._st_type(_p51) = 'LINESTRING' AND ST_HasM(_p51) THEN list_transform([
    list_transform(spark._st_points(_p51), lambda _v51: ST_M(_v51))], lambda _m51: _m51 = list_sort(list_distinct(_m51)))[1] WHEN _p51 IS NOT NULL THEN false END)[1];

-- Shapes made from others.
CREATE MACRO spark.st_buffer(g, distance, spheroid := false, style := '') AS list_transform([lower(style)], lambda _s52:
    ST_Buffer(g, CASE WHEN spheroid THEN spark._st_missing('ST_Buffer on the spheroid')
        WHEN NOT regexp_full_match(_s52, '(quad_segs=\d+|endcap=(round|flat|butt|square)|join=(round|mitre|miter|bevel)|mit(re|er)_limit=[\d.]+|\s)*')
        THEN spark._st_missing('this style of ST_Buffer') ELSE distance END, coalesce(TRY_CAST(regexp_extract(_s52, 'quad_segs=(\d+)', 1) AS INTEGER), 8),
        'CAP_' || upper(coalesce(nullif(replace(regexp_extract(_s52, 'endcap=(\w+)', 1), 'butt', 'flat'), ''), 'round')),
        'JOIN_' || upper(coalesce(nullif(replace(regexp_extract(_s52, 'join=(\w+)', 1), 'miter', 'mitre'), ''), 'round')),
        coalesce(TRY_CAST(regexp_extract(_s52, 'mit(?:re|er)_limit=([\d.]+)', 1) AS DOUBLE), 5)))[1];
CREATE MACRO spark.st_centroid(g) AS list_transform([g], lambda _p53: list_transform([ST_Centroid(_p53)], lambda _c53: CASE WHEN NOT ST_IsEmpty(_c53) OR ST_IsEmpty(_p53)
    THEN _c53 WHEN spark._st_type(_p53) LIKE '%POLYGON' THEN ST_Centroid(ST_Boundary(_p53)) ELSE ST_Centroid(ST_Points(_p53)) END)[1])[1];
CREATE MACRO spark.st_concavehull(g, ratio, holes := false) AS ST_ConcaveHull(g, ratio, holes);
CREATE MACRO spark.st_maximuminscribedcircle(g) AS list_transform([g], lambda _p54:
    ST_MaximumInscribedCircle(_p54, greatest(ST_XMax(_p54) - ST_XMin(_p54), ST_YMax(_p54) - ST_YMin(_p54)) / 1000))[1];
CREATE MACRO spark.st_polygonize(g) AS ST_Polygonize(spark._st_flat(g));
CREATE MACRO spark.st_reduceprecision(g, digits) AS ST_ReducePrecision(g, pow(10.0, -digits));
CREATE MACRO spark.st_unaryunion(g) AS list_aggregate(spark._st_flat(g), 'st_union_agg');
CREATE MACRO spark.st_union(parts) AS list_aggregate(parts, 'st_union_agg'), (a, b) AS ST_Union(a, b);
CREATE MACRO spark.st_envelope(g) AS list_transform([g], lambda _p55: spark._st_keep(CASE WHEN ST_IsEmpty(_p55) THEN ST_GeomFromText('POINT EMPTY')
    WHEN ST_XMin(_p55) = ST_XMax(_p55) AND ST_YMin(_p55) = ST_YMax(_p55) THEN ST_Point(ST_XMin(_p55), ST_YMin(_p55))
    WHEN ST_XMin(_p55) = ST_XMax(_p55) OR ST_YMin(_p55) = ST_YMax(_p55) THEN ST_MakeLine(ST_Point(ST_XMin(_p55), ST_YMin(_p55)), ST_Point(ST_XMax(_p55), ST_YMax(_p55)))
    ELSE ST_MakeEnvelope(ST_XMin(_p55), ST_YMin(_p55), ST_XMax(_p55), ST_YMax(_p55)) END, _p55))[1];
CREATE MACRO spark._st_expand(g, dx, dy) AS list_transform([g], lambda _p56: CASE WHEN ST_HasZ(_p56) THEN spark._st_missing('ST_Expand of Z') ELSE
    spark._st_keep(ST_MakeEnvelope(ST_XMin(_p56) - dx, ST_YMin(_p56) - dy, ST_XMax(_p56) + dx, ST_YMax(_p56) + dy), _p56) END)[1];
CREATE MACRO spark.st_expand(g, delta) AS list_transform([delta], lambda _d57: spark._st_expand(g, _d57, _d57))[1],
    (g, dx, dy) AS list_transform([dx], lambda _x57: list_transform([dy], lambda _y57: spark._st_expand(g, _x57, _y57))[1])[1];
CREATE MACRO spark.st_boundingdiagonal(g) AS list_transform([g], lambda _p58: spark._st_keep(CASE WHEN ST_IsEmpty(_p58) THEN ST_GeomFromText('LINESTRING EMPTY')
    WHEN ST_HasZ(_p58) THEN ST_MakeLine(ST_Force3DZ(ST_Point(ST_XMin(_p58), ST_YMin(_p58)), ST_ZMin(_p58)), ST_Force3DZ(ST_Point(ST_XMax(_p58), ST_YMax(_p58)), ST_ZMax(_p58)))
    ELSE ST_MakeLine(ST_Point(ST_XMin(_p58), ST_YMin(_p58)), ST_Point(ST_XMax(_p58), ST_YMax(_p58))) END, _p58))[1];
-- DuckDB's own ST_Affine takes a missing Z for 1, its ST_Translate and ST_RotateX of three dimensions mix the axes up.
CREATE MACRO spark.st_affine(g, a, b, d, e, x, y) AS ST_Affine(g, a, b, d, e, x, y),
    (g, a, b, c, d, e, f, g1, h, i, x, y, z) AS list_transform([g], lambda _p59: list_transform([ST_Affine(ST_Force3DZ(_p59, 0), a, b, c, d, e, f, g1, h, i, x, y, z)], lambda _r59:
        if(ST_HasZ(_p59), _r59, ST_Force2D(_r59)))[1])[1];
CREATE MACRO spark.st_translate(g, x, y) AS ST_Affine(g, 1, 0, 0, 1, x, y), (g, x, y, z) AS spark.st_affine(g, 1, 0, 0, 0, 1, 0, 0, 0, 1, x, y, z);
CREATE MACRO spark.st_scale(g, x, y) AS ST_Affine(g, x, 0, 0, y, 0, 0);
CREATE MACRO spark._st_scaled(g, f, o) AS ST_Affine(g, ST_X(f), 0, 0, ST_Y(f), ST_X(o) * (1 - ST_X(f)), ST_Y(o) * (1 - ST_Y(f)));
CREATE MACRO spark.st_scalegeom(g, factor) AS list_transform([factor], lambda _f60: spark._st_scaled(g, _f60, ST_Point(0, 0)))[1],
    (g, factor, origin) AS list_transform([factor], lambda _f60: list_transform([origin], lambda _o60: spark._st_scaled(g, _f60, _o60))[1])[1];
CREATE MACRO spark._st_rotated(g, angle, o) AS list_transform([angle], lambda _t61: list_transform([o], lambda _p61: ST_Affine(g, cos(_t61), -sin(_t61), sin(_t61), cos(_t61),
    ST_X(_p61) - cos(_t61) * ST_X(_p61) + sin(_t61) * ST_Y(_p61), ST_Y(_p61) - sin(_t61) * ST_X(_p61) - cos(_t61) * ST_Y(_p61)))[1])[1];
CREATE MACRO spark.st_rotate(g, angle) AS spark._st_rotated(g, angle, ST_Point(0, 0)), (g, angle, origin) AS spark._st_rotated(g, angle, origin),
    (g, angle, x, y) AS spark._st_rotated(g, angle, ST_Point(x, y));
CREATE MACRO spark.st_rotatex(g, angle) AS list_transform([angle], lambda _t62: spark.st_affine(g, 1, 0, 0, 0, cos(_t62), -sin(_t62), 0, sin(_t62), cos(_t62), 0, 0, 0))[1];
CREATE MACRO spark.st_rotatey(g, angle) AS list_transform([angle], lambda _t63: spark.st_affine(g, cos(_t63), 0, sin(_t63), 0, 1, 0, -sin(_t63), 0, cos(_t63), 0, 0, 0))[1];

-- Cells. A geohash has five bits a character, in turn of the longitude and the latitude.
CREATE MACRO spark._st_base32() AS '0123456789bcdefghjkmnpqrstuvwxyz';
CREATE MACRO spark._st_bits(value, low, span, bits) AS list_transform([pow(2, bits)], lambda _cells64: least(floor((value - low) / span * _cells64), _cells64 - 1)::BIGINT)[1];
CREATE MACRO spark.st_geohash(g, digits) AS list_transform([g], lambda _p65: list_transform([least(digits, 20)::BIGINT], lambda _n65: list_transform([{
        'x': spark._st_bits((ST_XMin(_p65) + ST_XMax(_p65)) / 2, -180, 360, (5 * _n65 + 1) // 2),
        'y': spark._st_bits((ST_YMin(_p65) + ST_YMax(_p65)) / 2, -90, 180, 5 * _n65 // 2)}], lambda _c65:
    CASE WHEN ST_XMin(_p65) >= -180 AND ST_XMax(_p65) <= 180 AND ST_YMin(_p65) >= -90 AND ST_YMax(_p65) <= 90 THEN array_to_string(list_transform(range(_n65),
        lambda _i65: spark._st_base32()[1 + list_sum(list_transform(range(5 * _i65, 5 * _i65 + 5), lambda _j65: (if(_j65 % 2 = 0,
            _c65.x >> ((5 * _n65 + 1) // 2 - 1 - _j65 // 2), _c65.y >> (5 * _n65 // 2 - 1 - _j65 // 2)) & 1) << (4 - _j65 % 5)))::BIGINT]), '') END)[1])[1])[1];
CREATE MACRO spark._st_cell(geohash, n) AS list_transform([lower(geohash)[1:n]], lambda _h66: list_transform([list_transform(range(5 * len(_h66)), lambda _j66:
        ((strpos(spark._st_base32(), _h66[_j66 // 5 + 1]) - 1) >> (4 - _j66 % 5)) & 1)], lambda _b66: CASE WHEN regexp_full_match(_h66, '[0-9b-hjkmnp-z]*') THEN {
    'x': -180 + coalesce(list_sum(list_transform(range(0, len(_b66), 2), lambda _j66: _b66[_j66 + 1] * 180 / pow(2, _j66 // 2))), 0), 'w': 360 / pow(2, (len(_b66) + 1) // 2),
    'y': -90 + coalesce(list_sum(list_transform(range(1, len(_b66), 2), lambda _j66: _b66[_j66 + 1] * 90 / pow(2, _j66 // 2))), 0), 'h': 180 / pow(2, len(_b66) // 2)} END)[1])[1];
CREATE MACRO spark._st_cellbox(geohash, n) AS list_transform([spark._st_cell(geohash, n)], lambda _c67: ST_MakeEnvelope(_c67.x, _c67.y, _c67.x + _c67.w, _c67.y + _c67.h))[1];
CREATE MACRO spark.st_geomfromgeohash(geohash) AS spark._st_cellbox(geohash, 99), (geohash, digits) AS spark._st_cellbox(geohash, digits);
CREATE MACRO spark.st_pointfromgeohash(geohash) AS ST_Centroid(spark._st_cellbox(geohash, 99)), (geohash, digits) AS ST_Centroid(spark._st_cellbox(geohash, digits));
CREATE MACRO spark.st_bingtilezoomlevel(quadkey) AS len(quadkey)::INTEGER;
