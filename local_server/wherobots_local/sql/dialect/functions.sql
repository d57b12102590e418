-- Spark's functions that DuckDB lacks, or has with another meaning or other types of arguments.
-- A name with a leading underscore only serves the others and the rules.
-- Unqualified names are DuckDB's own. Dates and times may be given as text: Spark casts them.
-- `list_transform([x], lambda name: ...)[1]` names a value: a macro repeats the text of its argument wherever it stands.

CREATE MACRO spark._refuse(what) AS error('[UNSUPPORTED_FEATURE] The local server does not support ' || what || '. SQLSTATE: 0A000');
CREATE MACRO spark._divisor(b) AS CASE WHEN b = 0 THEN
    error('[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. SQLSTATE: 22012') ELSE b END;
CREATE MACRO spark._is_exact(x) AS regexp_full_match(typeof(x), 'DECIMAL\([\d,]+\)');
CREATE MACRO spark._is_number(x) AS regexp_full_match(typeof(x), 'DECIMAL\([\d,]+\)|DOUBLE|FLOAT|(TINY|SMALL|BIG|HUGE|U\w*)?INT(EGER)?|"NULL"');
-- The quotient of decimals has a scale that DuckDB does not have.
CREATE MACRO spark._quotient(a, b) AS CASE WHEN NOT spark._is_number(a) OR NOT spark._is_number(b) THEN spark._refuse('the division of other values than numbers')
    WHEN (spark._is_exact(a) AND typeof(b) NOT IN ('DOUBLE', 'FLOAT')) OR (spark._is_exact(b) AND typeof(a) NOT IN ('DOUBLE', 'FLOAT'))
    THEN spark._refuse('the division of decimals; cast one of them AS DOUBLE') ELSE a / spark._divisor(b) END;
-- With the types of a statement, decimals are divided as whole numbers: their digits, with zeros behind them.
CREATE MACRO spark._digits(x, zeros) AS coalesce(TRY_CAST(replace(x::VARCHAR, '.', '') || zeros AS HUGEINT), CASE WHEN x IS NOT NULL THEN spark._refuse('the division of decimals of so many digits') END);
CREATE MACRO spark._quotient_of_digits(a, b) AS list_transform([[a, b]], lambda _q: CASE WHEN _q[1] IS NOT NULL THEN
    _q[1] // spark._divisor(_q[2]) + CASE WHEN abs(_q[1] % _q[2]) >= abs(_q[2]) - abs(_q[1] % _q[2]) THEN sign(_q[1]) * sign(_q[2]) ELSE 0 END END)[1];
CREATE MACRO spark._div_of_digits(a, b) AS list_transform([[a, b]], lambda _q: CASE WHEN _q[1] IS NOT NULL THEN _q[1] // spark._divisor(_q[2]) END)[1];
CREATE MACRO spark._mod_of_digits(a, b) AS list_transform([[a, b]], lambda _q: CASE WHEN _q[1] IS NOT NULL THEN _q[1] % spark._divisor(_q[2]) END)[1];
CREATE MACRO spark._pmod_of_digits(a, b) AS list_transform([[a, b]], lambda _q: CASE WHEN _q[1] % spark._divisor(_q[2]) < 0 THEN (_q[1] % _q[2] + _q[2]) % _q[2] WHEN _q[1] IS NOT NULL THEN _q[1] % _q[2] END)[1];
CREATE MACRO spark._mod(a, b) AS a % spark._divisor(b);
CREATE MACRO spark._div(a, b) AS CASE WHEN spark._is_exact(a) OR spark._is_exact(b) THEN spark._refuse('DIV of decimals') ELSE a // spark._divisor(b) END::BIGINT;
CREATE MACRO spark._inexact(x) AS CASE WHEN spark._is_exact(x) THEN spark._refuse('avg of decimals; cast them AS DOUBLE') ELSE x END;
CREATE MACRO spark._malformed(x, kind) AS error('[CAST_INVALID_INPUT] The value ''' || x || ''' of the type "STRING" cannot be cast to "' || kind || '" because it is malformed. Use `try_cast` to tolerate malformed input and return NULL instead. SQLSTATE: 22018');
-- What CAST to a whole number keeps: the part before the point. Text must be a whole number; without a `kind`, NULL
-- stands for other text.
CREATE MACRO spark._whole(x, kind) AS CASE
    WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN CASE WHEN kind IS NULL AND NOT isfinite(TRY_CAST(x AS DOUBLE)) THEN NULL ELSE trunc(TRY_CAST(x AS DOUBLE))::BIGINT END
    WHEN spark._is_exact(x) THEN trunc(TRY_CAST(x AS DECIMAL(38, 9)))::BIGINT
    WHEN typeof(x) = 'TIMESTAMP WITH TIME ZONE' THEN floor(epoch_us(TRY_CAST(x AS TIMESTAMPTZ)) / 1000000)::BIGINT
    WHEN typeof(x) = 'VARCHAR' THEN CASE
        WHEN regexp_full_match(trim(x::VARCHAR, e' \t\n\r'), '[+-]?\d+') AND TRY_CAST(trim(x::VARCHAR, e' \t\n\r') AS BIGINT) IS NOT NULL THEN TRY_CAST(trim(x::VARCHAR, e' \t\n\r') AS BIGINT)
        WHEN x IS NOT NULL AND kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind) END
    WHEN spark._is_number(x) OR typeof(x) = 'BOOLEAN' THEN TRY_CAST(x AS BIGINT) ELSE spark._refuse('this cast to a whole number') END;
CREATE MACRO spark._double(x, kind) AS CASE WHEN typeof(x) = 'VARCHAR' THEN CASE
        WHEN regexp_full_match(trim(x::VARCHAR, e' \t\n\r'), '(?i)[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)|nan') THEN TRY_CAST(trim(x::VARCHAR, e' \t\n\r') AS DOUBLE)
        WHEN x IS NOT NULL AND kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind) END
    WHEN spark._is_number(x) OR typeof(x) = 'BOOLEAN' THEN TRY_CAST(x AS DOUBLE) ELSE spark._refuse('this cast to a number') END;
CREATE MACRO spark._exact(x, kind) AS CASE WHEN typeof(x) = 'VARCHAR' AND x IS NOT NULL
        AND NOT regexp_full_match(trim(x::VARCHAR, e' \t\n\r'), '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?') THEN CASE WHEN kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind) END
    WHEN spark._is_number(x) OR typeof(x) = 'VARCHAR' THEN trim(x::VARCHAR, e' \t\n\r') ELSE spark._refuse('this cast to a decimal') END;
CREATE MACRO spark._boolean(x, kind) AS CASE WHEN typeof(x) = 'VARCHAR' THEN CASE
        WHEN lower(trim(x::VARCHAR)) IN ('t', 'true', 'y', 'yes', '1') THEN true WHEN lower(trim(x::VARCHAR)) IN ('f', 'false', 'n', 'no', '0') THEN false
        WHEN x IS NOT NULL AND kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind) END
    WHEN NOT spark._is_number(x) AND typeof(x) <> 'BOOLEAN' THEN spark._refuse('this cast to a boolean') ELSE TRY_CAST(x AS BOOLEAN) END;
CREATE MACRO spark._date(x, kind) AS CASE WHEN typeof(x) = 'VARCHAR' THEN CASE
        WHEN regexp_full_match(trim(x::VARCHAR), '\d{4}-\d\d?-\d\d?([ T].*)?') THEN CASE
            WHEN TRY_CAST(regexp_extract(trim(x::VARCHAR), '^\d{4}-\d\d?-\d\d?') AS DATE) IS NOT NULL THEN TRY_CAST(regexp_extract(trim(x::VARCHAR), '^\d{4}-\d\d?-\d\d?') AS DATE)
            WHEN kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind)::DATE END
        WHEN regexp_full_match(trim(x::VARCHAR), '[+-]?\d{4,7}(-\d\d?)?') THEN spark._refuse('this text as a date')
        WHEN x IS NOT NULL AND kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind)::DATE END
    WHEN typeof(x) LIKE 'TIMESTAMP%' OR typeof(x) IN ('DATE', '"NULL"') THEN TRY_CAST(x AS DATE) ELSE spark._refuse('this cast to a date') END;
CREATE MACRO spark._time(x, kind) AS CASE WHEN typeof(x) = 'VARCHAR' THEN CASE
        WHEN regexp_full_match(trim(x::VARCHAR), '\d{4}-\d\d-\d\d([ T]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?)?)?') THEN CASE
            WHEN TRY_CAST(trim(x::VARCHAR) AS TIMESTAMPTZ) IS NOT NULL THEN TRY_CAST(trim(x::VARCHAR) AS TIMESTAMPTZ)
            WHEN kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind)::TIMESTAMPTZ END
        WHEN regexp_matches(x::VARCHAR, '\d') THEN spark._refuse('this text as a time')
        WHEN x IS NOT NULL AND kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind)::TIMESTAMPTZ END
    WHEN typeof(x) LIKE 'TIMESTAMP%' OR typeof(x) IN ('DATE', '"NULL"') THEN TRY_CAST(x AS TIMESTAMPTZ)
    WHEN typeof(x) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT') THEN make_timestamptz(TRY_CAST(x AS BIGINT) * 1000000) ELSE spark._refuse('this cast to a time') END;
CREATE MACRO spark._binary(x, kind) AS CASE WHEN typeof(x) = 'VARCHAR' THEN encode(x::VARCHAR) WHEN typeof(x) IN ('BLOB', '"NULL"') THEN TRY_CAST(x AS BLOB)
    ELSE spark._refuse('this cast to binary') END;
-- Text of other values. Times are those of the session's time zone, and show no zone.
CREATE MACRO spark._decimal_text(x) AS CASE WHEN x IS NULL THEN NULL WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
    WHEN x = 0 OR abs(x) BETWEEN 0.001 AND 9999999 THEN x::VARCHAR ELSE spark._refuse('the text of such a large or small number') END;
CREATE MACRO spark._decimal(x) AS regexp_replace(x::VARCHAR, '^(-?)\.', '\10.');
CREATE MACRO spark._text(x) AS CASE WHEN typeof(x) LIKE 'TIMESTAMP%'
        THEN regexp_replace(x::VARCHAR, '[+-]\d\d(:\d\d)?$', '')
    WHEN typeof(x) = 'DOUBLE' THEN spark._decimal_text(TRY_CAST(x AS DOUBLE))
    WHEN typeof(x) = 'FLOAT' THEN spark._decimal_text(TRY_CAST(x AS FLOAT))
    WHEN typeof(x) = 'BLOB' THEN decode(TRY_CAST(x AS BLOB))
    WHEN regexp_matches(typeof(x), '^(STRUCT|MAP|INTERVAL|GEOMETRY)|\]$') THEN spark._refuse('the text of arrays, maps, structs and intervals')
    WHEN spark._is_exact(x) THEN spark._decimal(x) ELSE x::VARCHAR END;
-- A value whose text in DuckDB is that of Spark, or an error.
CREATE MACRO spark._joined(x) AS CASE WHEN regexp_matches(typeof(x), '^(DOUBLE|FLOAT|TIMESTAMP|BLOB|STRUCT|MAP|INTERVAL)|\]$')
    THEN spark._refuse('such a value as text; use CAST(... AS STRING)') WHEN spark._is_exact(x) THEN spark._decimal(x) ELSE x::VARCHAR END;
CREATE MACRO spark._joined_all(x) AS CASE WHEN regexp_matches(typeof(x), '^(DOUBLE|FLOAT|TIMESTAMP|BLOB|STRUCT|MAP|INTERVAL)') AND typeof(x) NOT LIKE '%[]' OR (spark._is_exact(x) AND regexp_matches(x::VARCHAR, '^-?\.'))
    THEN spark._refuse('such a value as text; use CAST(... AS STRING)') ELSE x END;
-- What a column of VARCHAR(n) stores.
CREATE MACRO spark._within(s, n) AS CASE WHEN length(rtrim(s, ' ')) > n THEN error('[EXCEED_LIMIT_LENGTH] Exceeds char/varchar type length limitation: ' || n || '. SQLSTATE: 54006') ELSE left(s, n) END;
CREATE MACRO spark._texts(x) AS CASE WHEN typeof(x) LIKE '%[]' THEN TRY_CAST(x AS VARCHAR[]) ELSE [spark._joined(x)] END;
CREATE MACRO spark._concat_ws(mark, items) AS CASE WHEN mark IS NOT NULL THEN array_to_string(list_filter(items, lambda item: item IS NOT NULL), mark) END;
CREATE MACRO spark.raise_error(message) AS error('[USER_RAISED_EXCEPTION] ' || coalesce(message, 'null') || ' SQLSTATE: P0001');
-- A value beside another, where Spark would cast a text to another type.
CREATE MACRO spark._alike(a, b) AS CASE WHEN typeof(a) <> '"NULL"' AND typeof(b) <> '"NULL"' AND ((typeof(a) = 'VARCHAR') <> (typeof(b) = 'VARCHAR')
    OR (typeof(a) IN ('DATE', 'BOOLEAN', 'BLOB')) <> (typeof(b) IN ('DATE', 'BOOLEAN', 'BLOB'))) THEN spark._refuse('values of such different types beside each other; use CAST') ELSE b END;
CREATE MACRO spark._comparable(a, b) AS CASE WHEN typeof(a) LIKE '%MAP(%' OR typeof(b) LIKE '%MAP(%'
    THEN error('[DATATYPE_MISMATCH.INVALID_ORDERING_TYPE] Maps cannot be compared. SQLSTATE: 42K09')
    WHEN typeof(a) <> typeof(b) AND typeof(a) <> '"NULL"' AND typeof(b) <> '"NULL"' AND (
    (typeof(a) = 'VARCHAR' AND typeof(b) NOT IN ('DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE')) OR (typeof(b) = 'VARCHAR' AND typeof(a) NOT IN ('DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE'))
    OR typeof(a) = 'BOOLEAN' OR typeof(b) = 'BOOLEAN') THEN spark._refuse('comparing values of such different types; use CAST') ELSE b END;
CREATE MACRO spark._of_one_type(a, b) AS CASE WHEN typeof(a) = typeof(b) THEN b ELSE spark._refuse('rows beside each other whose values have different types; use CAST') END;
CREATE MACRO spark._condition(x) AS CASE WHEN typeof(x) IN ('BOOLEAN', '"NULL"') THEN x::BOOLEAN ELSE spark._refuse('a condition that is no boolean') END;
CREATE MACRO spark._minus(a, b) AS CASE WHEN typeof(a) IN ('DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE') AND typeof(b) IN ('DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE') THEN spark._refuse('the difference of times; use datediff or timestampdiff') ELSE a - b END;
CREATE MACRO spark._ranked(x) AS CASE WHEN spark._is_number(x) OR typeof(x) LIKE 'TIMESTAMP%' OR typeof(x) = 'DATE' THEN x ELSE spark._refuse('percentiles of other values than numbers and times') END;
-- In Spark NULL in a value comes first, in DuckDB last.
CREATE MACRO spark._flat(x) AS CASE WHEN typeof(x) LIKE '%MAP(%' OR (regexp_matches(typeof(x), '^STRUCT|\]$') AND contains(TRY_CAST(x AS VARCHAR), 'NULL')) THEN spark._refuse('the order of maps, or of arrays and structs with NULL') ELSE x END;
CREATE MACRO spark._number_or_null(x) AS CASE WHEN NOT isnan(x) THEN x END;
CREATE MACRO spark.equal_null(a, b) AS a IS NOT DISTINCT FROM b;
CREATE MACRO spark.nullifzero(x) AS nullif(x, 0);
CREATE MACRO spark.zeroifnull(x) AS coalesce(x, 0);
CREATE MACRO spark.isnull(x) AS x IS NULL;
CREATE MACRO spark.isnotnull(x) AS x IS NOT NULL;
CREATE MACRO spark.nvl(a, b) AS coalesce(a, spark._alike(a, b));
CREATE MACRO spark.nvl2(a, b, c) AS CASE WHEN a IS NOT NULL THEN b ELSE spark._alike(b, c) END;
CREATE MACRO spark.monotonically_increasing_id() AS row_number() OVER () - 1;
CREATE MACRO spark.uuid() AS gen_random_uuid()::VARCHAR;
CREATE MACRO spark.sha1(x) AS sha1(x);
CREATE MACRO spark.sha2(x, bits) AS CASE WHEN bits IN (0, 256) THEN sha256(x) WHEN bits IS NULL THEN NULL ELSE spark._refuse('sha2 with other than 256 bits') END;
CREATE MACRO spark.current_timezone() AS 'UTC';

-- Numbers
CREATE MACRO spark.abs(x) AS CASE WHEN spark._is_number(x) THEN abs(x) ELSE spark._refuse('abs of other values than numbers') END;
CREATE MACRO spark._isnan(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN coalesce(isnan(TRY_CAST(x AS DOUBLE)), false) WHEN spark._is_number(x) THEN false ELSE spark._refuse('isnan of other values than numbers') END;
CREATE MACRO spark._ascii_only(s) AS CASE WHEN regexp_matches(s, '[^\x00-\x7F]') THEN spark._refuse('letters beyond ASCII here') ELSE s END;
CREATE MACRO spark.levenshtein(a, b) AS levenshtein(spark._ascii_only(a), spark._ascii_only(b));
CREATE MACRO spark.csc(x) AS 1 / sin(x);
CREATE MACRO spark.sec(x) AS 1 / cos(x);
CREATE MACRO spark.acos(x) AS CASE WHEN abs(x) <= 1 THEN acos(x) WHEN x IS NOT NULL THEN 'nan'::DOUBLE END;
CREATE MACRO spark.asin(x) AS CASE WHEN abs(x) <= 1 THEN asin(x) WHEN x IS NOT NULL THEN 'nan'::DOUBLE END;
CREATE MACRO spark.atan2(y, x) AS atan2(y, x);
CREATE MACRO spark.cot(x) AS 1 / tan(x);
CREATE MACRO spark.cbrt(x) AS CASE WHEN x::DOUBLE = round(cbrt(x)) ** 3 THEN round(cbrt(x)) ELSE cbrt(x) END;
CREATE MACRO spark._e() AS exp(1);
CREATE MACRO spark.exp(x) AS exp(x);
CREATE MACRO spark.expm1(x) AS CASE WHEN x::DOUBLE = 0 OR abs(x::DOUBLE) > 0.01 THEN exp(x) - 1 WHEN x IS NOT NULL THEN spark._refuse('expm1 of a number near 0') END;
CREATE MACRO spark.ln(x) AS CASE WHEN x > 0 THEN ln(x) END;
CREATE MACRO spark.log(x) AS CASE WHEN x > 0 THEN ln(x) END, (base, x) AS CASE WHEN x > 0 AND base > 0 THEN ln(x) / ln(base) END;
CREATE MACRO spark.log10(x) AS CASE WHEN x > 0 THEN log10(x) END;
CREATE MACRO spark.log2(x) AS CASE WHEN x > 0 THEN log2(x) END;
CREATE MACRO spark.log1p(x) AS CASE WHEN x::DOUBLE > -1 THEN ln(1 + x::DOUBLE) END;
CREATE MACRO spark.sqrt(x) AS CASE WHEN x >= 0 OR isnan(x::DOUBLE) THEN sqrt(x::DOUBLE) WHEN x IS NOT NULL THEN 'nan'::DOUBLE END;
CREATE MACRO spark.pow(x, y) AS pow(x::DOUBLE, y::DOUBLE);
CREATE MACRO spark.hypot(a, b) AS CASE WHEN isinf(a::DOUBLE) OR isinf(b::DOUBLE) THEN 'inf'::DOUBLE ELSE sqrt(a::DOUBLE * a::DOUBLE + b::DOUBLE * b::DOUBLE) END;
CREATE MACRO spark.factorial(n) AS CASE WHEN n BETWEEN 0 AND 20 THEN factorial(n)::BIGINT END;
CREATE MACRO spark.ceil(x) AS CASE WHEN NOT spark._is_number(x) OR NOT isfinite(x::DOUBLE) THEN spark._refuse('ceil of such a value') ELSE ceil(x) END::BIGINT;
CREATE MACRO spark.floor(x) AS CASE WHEN NOT spark._is_number(x) OR NOT isfinite(x::DOUBLE) THEN spark._refuse('floor of such a value') ELSE floor(x) END::BIGINT;
CREATE MACRO spark.rint(x) AS round_even(x::DOUBLE, 0);
-- DuckDB's digits of floating points are not those that Spark shows, and decimals that are rounded to more than they have are 0.
CREATE MACRO spark.round(x) AS round(x), (x, digits) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') AND (digits > 0 OR NOT isfinite(TRY_CAST(x AS DOUBLE))) THEN
    cast_to_type(CASE WHEN abs(TRY_CAST(x AS DOUBLE)) >= 1e15 THEN x ELSE round(TRY_CAST(x::VARCHAR AS DECIMAL(38, 16)), digits)::DOUBLE END, round(x, digits))
    WHEN spark._is_exact(x) AND digits < 0 THEN cast_to_type(round(TRY_CAST(trunc(x) AS DECIMAL(38, 0)), digits), round(x, digits)) ELSE round(x, digits) END;
CREATE MACRO spark._bucket(x, one, other, n) AS CASE WHEN x IS NULL OR one IS NULL OR other IS NULL OR n IS NULL OR n <= 0 OR isnan(x) OR NOT isfinite(one) OR NOT isfinite(other) OR one = other THEN NULL
    WHEN one < other THEN CASE WHEN x < one THEN 0 WHEN x >= other THEN n + 1 ELSE trunc(n::DOUBLE * (x - one) / (other - one)) + 1 END
    WHEN x > one THEN 0 WHEN x <= other THEN n + 1 ELSE trunc(n::DOUBLE * (one - x) / (one - other)) + 1 END::BIGINT;
CREATE MACRO spark.width_bucket(x, one, other, n) AS spark._bucket(x::DOUBLE, one::DOUBLE, other::DOUBLE, n);
CREATE MACRO spark.sign(x) AS CASE WHEN spark._is_number(x) THEN CASE WHEN isnan(x::DOUBLE) THEN x::DOUBLE ELSE sign(x)::DOUBLE END ELSE spark._refuse('sign of such a value') END;
CREATE MACRO spark.negative(x) AS -(x);
CREATE MACRO spark.positive(x) AS CASE WHEN spark._is_number(x) THEN x ELSE spark._refuse('positive of such a value') END;
CREATE MACRO spark.pmod(a, b) AS CASE WHEN spark._is_exact(a) OR spark._is_exact(b) THEN spark._refuse('pmod of decimals') WHEN a % spark._divisor(b) < 0 THEN ((a % b) + b) % b ELSE a % b END;
CREATE MACRO spark.nanvl(a, b) AS CASE WHEN isnan(a::DOUBLE) THEN b ELSE a END;
CREATE MACRO spark.getbit(x, n) AS CASE WHEN n BETWEEN 0 AND 63 THEN (x >> n) & 1 WHEN n IS NOT NULL THEN spark._refuse('a place outside of a number') END;
CREATE MACRO spark.shiftleft(x, n) AS CASE WHEN x >= 0 AND n BETWEEN 0 AND 15 AND x < 32768 THEN x << n WHEN x IS NOT NULL AND n IS NOT NULL THEN spark._refuse('shifting such a number') END;
CREATE MACRO spark.shiftright(x, n) AS CASE WHEN n BETWEEN 0 AND 31 THEN x >> n WHEN n IS NOT NULL THEN spark._refuse('shifting this far') END;
CREATE MACRO spark.bit_count(x) AS bit_count(x::BIGINT);
CREATE MACRO spark.try_add(a, b) AS TRY(a + b);
CREATE MACRO spark.try_subtract(a, b) AS TRY(a - b);
CREATE MACRO spark.try_multiply(a, b) AS TRY(a * b);

-- Text. Groups are `$1` in Java's replacements and `\1` in DuckDB's.
CREATE MACRO spark._letters(s) AS CASE WHEN regexp_matches(s, '[\x{DF}\x{130}\x{149}\x{1F0}\x{390}\x{3A3}\x{3B0}\x{587}\x{1E96}-\x{1E9E}\x{1F50}-\x{1FFC}\x{FB00}-\x{FB17}]') THEN spark._refuse('the case of such letters') ELSE s END;
CREATE MACRO spark.upper(s) AS upper(spark._letters(s));
CREATE MACRO spark.lower(s) AS lower(spark._letters(s));
-- Only URLs about which RFC 3986 and Java agree.
CREATE MACRO spark._url(url) AS CASE WHEN url IS NULL OR regexp_full_match(url, '[A-Za-z][A-Za-z0-9+.-]*://(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?(?:/(?:[A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?(?:\?(?:[A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?(?:#(?:[A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?') THEN url ELSE spark._refuse('such a URL') END;
CREATE MACRO spark._url_parts(url) AS regexp_extract(spark._url(url), '^([^:]+)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$', ['protocol', 'authority', 'path', 'query', 'ref']);
CREATE MACRO spark._url_value(query, key) AS CASE WHEN regexp_matches(query, '[?&]' || key || '=') THEN regexp_extract(query, '[?&]' || key || '=([^&]*)', 1) END;
CREATE MACRO spark.parse_url(url, part) AS CASE WHEN url IS NOT NULL THEN list_transform([spark._url_parts(url)], lambda _u: CASE part
    WHEN 'PROTOCOL' THEN _u.protocol WHEN 'AUTHORITY' THEN _u.authority WHEN 'HOST' THEN split_part(_u.authority, ':', 1) WHEN 'PATH' THEN _u.path
    WHEN 'FILE' THEN _u.path || _u.query WHEN 'QUERY' THEN CASE WHEN _u.query <> '' THEN _u.query[2:] END WHEN 'REF' THEN CASE WHEN _u.ref <> '' THEN _u.ref[2:] END END)[1] END,
    (url, part, key) AS CASE WHEN part = 'QUERY' AND url IS NOT NULL THEN CASE WHEN regexp_full_match(key, '\w+') THEN spark._url_value(spark._url_parts(url).query, key) WHEN key IS NOT NULL THEN spark._refuse('such a key in a URL') END END;
CREATE MACRO spark.trim(s) AS trim(s), (marks, s) AS CASE WHEN s IS NOT NULL THEN spark._refuse('trim with two arguments; use TRIM(... FROM ...)') END;
CREATE MACRO spark.btrim(s) AS trim(s), (s, marks) AS trim(s, marks);
CREATE MACRO spark.ltrim(s) AS ltrim(s), (marks, s) AS ltrim(s, marks);
CREATE MACRO spark.rtrim(s) AS rtrim(s), (marks, s) AS rtrim(s, marks);
CREATE MACRO spark.initcap(s) AS array_to_string(list_transform(string_split(lower(spark._letters(s)), ' '), lambda word: upper(word[1]) || word[2:]), ' ');
CREATE MACRO spark.left(s, n) AS CASE WHEN n <= 0 THEN substring(s, 1, 0) ELSE left(s, n) END;
CREATE MACRO spark.right(s, n) AS CASE WHEN n <= 0 THEN substring(s, 1, 0) ELSE right(s, n) END;
CREATE MACRO spark.lpad(s, n, pad := ' ') AS CASE WHEN s IS NULL OR pad IS NULL THEN NULL WHEN n <= 0 THEN '' WHEN pad = '' THEN left(s, n) ELSE lpad(s, n::INTEGER, pad) END;
CREATE MACRO spark.rpad(s, n, pad := ' ') AS CASE WHEN s IS NULL OR pad IS NULL THEN NULL WHEN n <= 0 THEN '' WHEN pad = '' THEN left(s, n) ELSE rpad(s, n::INTEGER, pad) END;
CREATE MACRO spark.repeat(s, n) AS CASE WHEN n <= 0 THEN substring(s, 1, 0) ELSE repeat(s, n) END;
CREATE MACRO spark.space(n) AS CASE WHEN n <= 0 THEN '' ELSE repeat(' ', n) END;
CREATE MACRO spark.substring(s, start, n := 2147483647) AS CASE WHEN start IS NULL OR n IS NULL THEN NULL WHEN n <= 0 THEN substring(s, 1, 0) WHEN start >= 0 THEN substring(s, greatest(start, 1), n)
    WHEN -start > length(s) THEN substring(s, 1, greatest(n + length(s) + start, 0)) ELSE substring(s, length(s) + start + 1, n) END;
CREATE MACRO spark.substring_index(s, mark, n) AS CASE WHEN n = 0 OR mark = '' THEN substring(s, 1, 0) WHEN n > 0
    THEN array_to_string(string_split(s, mark)[:n], mark) ELSE array_to_string(string_split(s, mark)[n:], mark) END;
CREATE MACRO spark.instr(s, part) AS instr(s, part);
CREATE MACRO spark.locate(part, s) AS instr(s, part), (part, s, start) AS CASE WHEN start IS NULL OR start <= 0 THEN CASE WHEN start IS NULL OR (part IS NOT NULL AND s IS NOT NULL) THEN 0 END
    WHEN part = '' OR start > length(s) THEN CASE WHEN s IS NOT NULL THEN spark._refuse('locate of nothing, or behind the text') END WHEN instr(substring(s, start), part) = 0 THEN 0 ELSE instr(substring(s, start), part) + start - 1 END;
CREATE MACRO spark.contains(s, part) AS contains(s, part);
CREATE MACRO spark.startswith(s, part) AS starts_with(s, part);
CREATE MACRO spark.endswith(s, part) AS ends_with(s, part);
CREATE MACRO spark.translate(s, old, new) AS translate(s, old, new);
CREATE MACRO spark.chr(n) AS CASE WHEN n < 0 THEN '' WHEN n BETWEEN 1 AND 127 THEN chr(n::INTEGER) WHEN n IS NOT NULL THEN spark._refuse('chr of 0 or more than 127') END;
CREATE MACRO spark.base64(x) AS CASE WHEN typeof(x) = 'BLOB' THEN to_base64(TRY_CAST(x AS BLOB)) ELSE to_base64(encode(x::VARCHAR)) END;
CREATE MACRO spark.unbase64(s) AS CASE WHEN regexp_full_match(s, '([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?') THEN from_base64(s) WHEN s IS NOT NULL THEN spark._refuse('such a text as base 64') END;
CREATE MACRO spark.unhex(s) AS CASE WHEN regexp_full_match(s, '([0-9A-Fa-f]{2})*') THEN unhex(s) WHEN s IS NOT NULL THEN spark._refuse('such a text as hexadecimal digits') END;
CREATE MACRO spark._has_java(regex) AS regexp_matches(regex, '\(\?[=!<>]|\\[1-9]|[*+?}]\+|&&|\\[GZzRXhHvV]');
CREATE MACRO spark._groups(regex) AS length(regexp_replace(regex, '\\.|\[[^\]]*\]|\(\?|[^(]', '', 'g'));
CREATE MACRO spark._group(regex, place) AS CASE WHEN place < 0 OR place > least(spark._groups(regex), 9) THEN
    error('[INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX] Expects group index between 0 and ' || spark._groups(regex) || ', but got ' || place || '. SQLSTATE: 22023') ELSE place END;
CREATE MACRO spark._pattern(regex) AS CASE WHEN spark._has_java(regex) THEN spark._refuse('such a regular expression') ELSE regex END;
CREATE MACRO spark.split(s, regex, n := -1) AS CASE WHEN regex IS NULL OR n IS NULL THEN NULL
    WHEN regex = '' THEN CASE WHEN s IS NOT NULL THEN spark._refuse('split by nothing') END
    WHEN regexp_matches('', regex) THEN spark._refuse('split by what may be nothing')
    WHEN n <= 0 OR len(string_split_regex(s, spark._pattern(regex))) <= n THEN string_split_regex(s, regex)
    ELSE list_append(string_split_regex(s, regex)[1:n - 1], regexp_replace(s, '(?s)^(.*?(' || regex || ')){' || n - 1 || '}', '')) END;
CREATE MACRO spark.split_part(s, mark, n) AS CASE WHEN n = 0 THEN error('[INVALID_INDEX_OF_ZERO] The index 0 is invalid. An index shall be either < 0 or > 0. SQLSTATE: 22003')
    WHEN mark = '' THEN CASE WHEN s IS NOT NULL THEN spark._refuse('split_part by nothing') END ELSE split_part(s, mark, n) END;
CREATE MACRO spark.regexp_like(s, regex) AS regexp_matches(s, spark._pattern(regex));
CREATE MACRO spark.regexp_replace(s, regex, new) AS CASE WHEN regexp_matches('', regex) THEN spark._refuse('replacing what may be nothing') WHEN contains(new, '\') THEN spark._refuse('a backslash in a replacement')
    ELSE regexp_replace(s, spark._pattern(regex), regexp_replace(new, '\$(\d)', '\\\1', 'g'), 'g') END;
CREATE MACRO spark.regexp_extract(s, regex, place := 1) AS CASE WHEN spark._group(regex, place) IS NOT NULL THEN regexp_extract(s, spark._pattern(regex), place) END;
CREATE MACRO spark.regexp_extract_all(s, regex, place := 1) AS CASE WHEN regexp_matches('', regex) THEN spark._refuse('all of what may be nothing') WHEN spark._group(regex, place) IS NOT NULL THEN regexp_extract_all(s, spark._pattern(regex), place) END;
CREATE MACRO spark.regexp_count(s, regex) AS CASE WHEN regexp_matches('', regex) THEN spark._refuse('counting what may be nothing') ELSE len(regexp_extract_all(s, spark._pattern(regex))) END;
CREATE MACRO spark.regexp_substr(s, regex) AS CASE WHEN regexp_matches('', regex) THEN spark._refuse('what may be nothing') WHEN regexp_matches(s, regex) THEN regexp_extract(s, spark._pattern(regex)) END;
CREATE MACRO spark.regexp_instr(s, regex) AS CASE WHEN regexp_matches('', regex) THEN spark._refuse('the place of what may be nothing') WHEN regexp_matches(s, spark._pattern(regex)) THEN len(string_split_regex(s, regex)[1]) + 1 WHEN s IS NOT NULL AND regex IS NOT NULL THEN 0 END;
CREATE MACRO spark.replace(s, old, new := '') AS CASE WHEN old = '' THEN s ELSE replace(s, old, new) END;
CREATE MACRO spark.reverse(x) AS CASE WHEN typeof(x) = 'VARCHAR' THEN reverse(x::VARCHAR) ELSE spark._refuse('reverse of other values than texts') END;
CREATE MACRO spark.length(x) AS length(x);
CREATE MACRO spark.octet_length(x) AS strlen(x);
CREATE MACRO spark.bit_length(x) AS 8 * spark.octet_length(x);
CREATE MACRO spark.ascii(s) AS CASE WHEN s = '' THEN 0 ELSE ascii(s) END;
CREATE MACRO spark.format_number(x, digits) AS CASE WHEN digits < 0 OR NOT isfinite(x::DOUBLE) OR typeof(x) IN ('DOUBLE', 'FLOAT') OR (abs(x) * 10 ** digits)::DECIMAL(38, 9) % 1 = 0.5 THEN spark._refuse('format_number of floating points, or of a number in the middle') ELSE format('{:,.' || digits || 'f}', round(x, digits)::DOUBLE) END;
CREATE MACRO spark._padded(x, n) AS CASE WHEN x IS NULL THEN CASE WHEN n = 0 THEN 'null' ELSE spark._refuse('NULL in such a format') END
    WHEN NOT regexp_matches(typeof(x), '^(TINY|SMALL|BIG)?INT') THEN spark._refuse('%d of other values than whole numbers') WHEN x < 0 THEN '-' || lpad(substr(x::VARCHAR, 2), greatest(n - 1, length(x::VARCHAR) - 1)::INTEGER, '0') ELSE lpad(x::VARCHAR, greatest(n, length(x::VARCHAR))::INTEGER, '0') END;
CREATE MACRO spark._fixed(x, n) AS CASE WHEN x IS NULL THEN left('null', n) WHEN n > 9 OR typeof(x) <> 'DOUBLE' OR abs(x::DOUBLE) >= 1e15 OR NOT isfinite(x::DOUBLE) THEN spark._refuse('such a value in a format')
    ELSE list_transform([split(round(TRY_CAST(ltrim(x::VARCHAR, '-') AS DECIMAL(38, 18)), n)::VARCHAR, '.')], lambda _f: CASE WHEN x::VARCHAR LIKE '-%' THEN '-' ELSE '' END || _f[1] || CASE WHEN n > 0 THEN '.' || left(_f[2], n) ELSE '' END)[1] END;
CREATE MACRO spark._shown(x) AS CASE WHEN regexp_matches(typeof(x), '^((TINY|SMALL|BIG)?INT(EGER)?|VARCHAR|BOOLEAN|"NULL")$') THEN coalesce(x::VARCHAR, 'null') ELSE spark._refuse('such a value in a format; use CAST(... AS STRING)') END;
CREATE MACRO spark.encode(s, charset) AS CASE WHEN upper(charset) = 'UTF-8' THEN encode(s) WHEN charset IS NOT NULL THEN spark._refuse('other encodings than UTF-8') END;
CREATE MACRO spark.decode(x, charset) AS CASE WHEN upper(charset) = 'UTF-8' AND typeof(x) = 'BLOB' THEN decode(TRY_CAST(x AS BLOB)) WHEN charset IS NOT NULL THEN spark._refuse('decode of such a value') END;
CREATE MACRO spark.url_encode(s) AS replace(replace(replace(url_encode(s), '%20', '+'), '~', '%7E'), '%2A', '*');
CREATE MACRO spark.find_in_set(s, items) AS CASE WHEN contains(s, ',') THEN 0 WHEN items IS NOT NULL AND s IS NOT NULL THEN coalesce(list_position(string_split(items, ','), s), 0) END;
CREATE MACRO spark.mask(s) AS CASE WHEN regexp_matches(s, '[^\x00-\x7F]') THEN spark._refuse('mask of letters beyond A to Z') ELSE regexp_replace(regexp_replace(regexp_replace(s, '[A-Z]', 'X', 'g'), '[a-z]', 'x', 'g'), '[0-9]', 'n', 'g') END;
CREATE MACRO spark.url_decode(s) AS CASE WHEN contains(s, '%') AND regexp_matches(s, '%($|.$|[^0-9A-Fa-f]|.[^0-9A-Fa-f])') THEN spark._refuse('such a text as a URL') ELSE url_decode(replace(s, '+', ' ')) END;

-- Dates and times. A rule translates the patterns of Java.
CREATE MACRO spark._day(d) AS list_transform([d], lambda _d: CAST(spark._date(_d, 'DATE') AS DATE))[1];
CREATE MACRO spark._at(t) AS list_transform([t], lambda _t: CAST(spark._time(_t, 'TIMESTAMP') AS TIMESTAMPTZ))[1];
CREATE MACRO spark._unit(unit) AS CASE upper(unit) WHEN 'YEAR' THEN 'year' WHEN 'YYYY' THEN 'year' WHEN 'YY' THEN 'year' WHEN 'QUARTER' THEN 'quarter'
    WHEN 'MONTH' THEN 'month' WHEN 'MM' THEN 'month' WHEN 'MON' THEN 'month' WHEN 'WEEK' THEN 'week' END;
CREATE MACRO spark._small_unit(unit) AS CASE WHEN upper(unit) IN ('DAY', 'DD') THEN 'day'
    WHEN upper(unit) IN ('HOUR', 'MINUTE', 'SECOND', 'MILLISECOND', 'MICROSECOND') THEN lower(unit) ELSE spark._unit(unit) END;
CREATE MACRO spark._unparsed(s) AS error('[CANNOT_PARSE_TIMESTAMP] Text ''' || s || ''' could not be parsed. SQLSTATE: 22007')::TIMESTAMP;
CREATE MACRO spark._parse(s, pattern, shape) AS CASE WHEN regexp_full_match(s, shape) AND try_strptime(s, pattern) IS NOT NULL THEN try_strptime(s, pattern) WHEN s IS NOT NULL THEN spark._unparsed(s) END;
CREATE MACRO spark.to_date(s) AS spark._day(s), (s, pattern, shape) AS spark._parse(s, pattern, shape)::DATE;
CREATE MACRO spark.timestamp(s) AS spark._at(s);
CREATE MACRO spark.to_timestamp(s) AS spark._at(s), (s, pattern, shape) AS spark._parse(s, pattern, shape)::TIMESTAMPTZ;
CREATE MACRO spark.try_to_timestamp(s) AS CAST(spark._time(s, NULL) AS TIMESTAMPTZ), (s, pattern, shape) AS CASE WHEN regexp_full_match(s, shape) THEN try_strptime(s, pattern)::TIMESTAMPTZ END;
CREATE MACRO spark.try_to_date(s) AS CAST(spark._date(s, NULL) AS DATE), (s, pattern, shape) AS CASE WHEN regexp_full_match(s, shape) THEN try_strptime(s, pattern)::DATE END;
CREATE MACRO spark._window(t, n) AS list_transform([epoch_us(spark._at(t))], lambda _u: {'start': make_timestamptz(_u - (_u % n + n) % n), 'end': make_timestamptz(_u - (_u % n + n) % n + n)})[1];
CREATE MACRO spark.unix_seconds(t) AS CASE WHEN typeof(t) = 'TIMESTAMP WITH TIME ZONE' THEN floor(epoch_us(TRY_CAST(t AS TIMESTAMPTZ)) / 1000000)::BIGINT ELSE spark._refuse('unix_seconds of other values than timestamps') END;
CREATE MACRO spark.unix_timestamp() AS epoch(now())::BIGINT, (t) AS CASE WHEN typeof(t) = 'VARCHAR' AND NOT regexp_full_match(t::VARCHAR, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d') THEN spark._refuse('such a text as a time') ELSE epoch_us(spark._at(t)) // 1000000 END,
    (s, pattern, shape) AS epoch(spark._parse(s, pattern, shape))::BIGINT;
CREATE MACRO spark._from_unixtime(n, pattern) AS CASE WHEN n BETWEEN -62135596800 AND 253402300799 THEN strftime(make_timestamp(n::BIGINT * 1000000), pattern) WHEN n IS NOT NULL THEN spark._refuse('years beyond 9999') END;
CREATE MACRO spark._format(t, pattern) AS strftime(spark._at(t)::TIMESTAMP, pattern);
CREATE MACRO spark._date_add(d, n) AS spark._day(d) + n::INTEGER;
CREATE MACRO spark.date_sub(d, n) AS spark._day(d) - n::INTEGER;
CREATE MACRO spark._datediff(a, b) AS (spark._day(a) - spark._day(b))::INTEGER;
CREATE MACRO spark._order(t) AS day(t) * 86400000000 + epoch_us(t) % 86400000000;
CREATE MACRO spark._month_count(a, b) AS list_transform([(year(b) - year(a)) * 12 + month(b) - month(a)], lambda _m:
    CASE WHEN _m > 0 AND spark._order(b) < spark._order(a) THEN _m - 1 WHEN _m < 0 AND spark._order(b) > spark._order(a) THEN _m + 1 ELSE _m END)[1];
CREATE MACRO spark.timestampdiff(unit, a, b) AS CASE WHEN unit IN ('month', 'quarter', 'year') THEN CASE WHEN spark._at(a) < '1970-01-01' OR spark._at(b) < '1970-01-01' THEN spark._refuse('months before 1970')
    ELSE spark._month_count(spark._at(a)::TIMESTAMP, spark._at(b)::TIMESTAMP) // CASE unit WHEN 'year' THEN 12 WHEN 'quarter' THEN 3 ELSE 1 END END
    ELSE date_sub(unit, spark._at(a)::TIMESTAMP, spark._at(b)::TIMESTAMP) END;
CREATE MACRO spark.timestampadd(unit, n, t) AS spark._at(t) + n * CAST('1 ' || unit AS INTERVAL);
CREATE MACRO spark.add_months(d, n) AS (spark._day(d) + to_months(n::INTEGER))::DATE;
CREATE MACRO spark._months(a, b) AS round((year(a) - year(b)) * 12 + month(a) - month(b) + CASE
    WHEN day(a) = day(b) OR (a::DATE = last_day(a) AND b::DATE = last_day(b)) THEN 0
    ELSE (day(a) - day(b)) / 31 + (floor(epoch(a::TIME)) - floor(epoch(b::TIME))) / 2678400 END, 8);
CREATE MACRO spark.months_between(a, b) AS spark._months(spark._at(a)::TIMESTAMP, spark._at(b)::TIMESTAMP);
CREATE MACRO spark.date_trunc(unit, t) AS CASE WHEN spark._small_unit(unit) IS NOT NULL THEN date_trunc(spark._small_unit(unit), spark._at(t)) END;
CREATE MACRO spark.trunc(d, unit) AS CASE WHEN spark._unit(unit) IS NOT NULL THEN date_trunc(spark._unit(unit), spark._day(d))::DATE END;
CREATE MACRO spark.year(d) AS year(spark._day(d))::INTEGER;
CREATE MACRO spark.quarter(d) AS quarter(spark._day(d))::INTEGER;
CREATE MACRO spark.month(d) AS month(spark._day(d))::INTEGER;
CREATE MACRO spark.day(d) AS day(spark._day(d))::INTEGER;
CREATE MACRO spark.dayofweek(d) AS (dayofweek(spark._day(d)) + 1)::INTEGER;
CREATE MACRO spark.weekday(d) AS (isodow(spark._day(d)) - 1)::INTEGER;
CREATE MACRO spark.dayofyear(d) AS dayofyear(spark._day(d))::INTEGER;
CREATE MACRO spark.weekofyear(d) AS week(spark._day(d))::INTEGER;
CREATE MACRO spark.hour(t) AS hour(spark._at(t)::TIMESTAMP)::INTEGER;
CREATE MACRO spark.minute(t) AS minute(spark._at(t)::TIMESTAMP)::INTEGER;
CREATE MACRO spark.second(t) AS second(spark._at(t)::TIMESTAMP)::INTEGER;
CREATE MACRO spark._seconds(t) AS (date_part('microseconds', spark._at(t)::TIMESTAMP) / 1000000)::DECIMAL(8, 6);
CREATE MACRO spark.dayname(d) AS strftime(spark._day(d), '%a');
CREATE MACRO spark.monthname(d) AS strftime(spark._day(d), '%b');
CREATE MACRO spark.last_day(d) AS last_day(spark._day(d));
CREATE MACRO spark.next_day(d, name) AS CASE WHEN upper(name) IN ('MO', 'MON', 'MONDAY', 'TU', 'TUE', 'TUESDAY', 'WE', 'WED', 'WEDNESDAY', 'TH', 'THU', 'THURSDAY', 'FR', 'FRI', 'FRIDAY', 'SA', 'SAT', 'SATURDAY', 'SU', 'SUN', 'SUNDAY')
    THEN spark._day(d) + 1 + (list_position(['mo', 'tu', 'we', 'th', 'fr', 'sa', 'su'], lower(name[:2])) - isodow(spark._day(d)) + 6)::INTEGER % 7
    WHEN name IS NOT NULL AND d IS NOT NULL THEN error('[ILLEGAL_DAY_OF_WEEK] Illegal input for day of week: ' || name || '. SQLSTATE: 22009') END;
CREATE MACRO spark.make_date(y, m, d) AS make_date(y::INTEGER, m::INTEGER, d::INTEGER);
CREATE MACRO spark.make_timestamp(y, m, d, h, mi, s) AS CASE WHEN m BETWEEN 1 AND 12 AND d BETWEEN 1 AND day(last_day(make_date(y, m, 1))) AND h BETWEEN 0 AND 23 AND mi BETWEEN 0 AND 59 AND s::DOUBLE BETWEEN 0 AND 59.999999 AND y BETWEEN 1 AND 9999
    THEN make_timestamptz(y, m, d, h, mi, s::DOUBLE) WHEN y IS NOT NULL AND m IS NOT NULL AND d IS NOT NULL AND h IS NOT NULL AND mi IS NOT NULL AND s IS NOT NULL THEN error('[DATETIME_FIELD_OUT_OF_BOUNDS] Invalid value for a field of a time. SQLSTATE: 22023') END;
CREATE MACRO spark.unix_date(d) AS CASE WHEN typeof(d) = 'DATE' THEN (TRY_CAST(d AS DATE) - DATE '1970-01-01')::INTEGER ELSE spark._refuse('unix_date of other values than dates') END;
CREATE MACRO spark.date_from_unix_date(n) AS DATE '1970-01-01' + n::INTEGER;
CREATE MACRO spark.unix_millis(t) AS CASE WHEN typeof(t) = 'TIMESTAMP WITH TIME ZONE' THEN floor(epoch_us(TRY_CAST(t AS TIMESTAMPTZ)) / 1000)::BIGINT ELSE spark._refuse('unix_millis of other values than timestamps') END;
CREATE MACRO spark.unix_micros(t) AS CASE WHEN typeof(t) = 'TIMESTAMP WITH TIME ZONE' THEN epoch_us(TRY_CAST(t AS TIMESTAMPTZ)) ELSE spark._refuse('unix_micros of other values than timestamps') END;
CREATE MACRO spark.timestamp_seconds(n) AS make_timestamptz((n * 1000000::BIGINT)::BIGINT);
CREATE MACRO spark.timestamp_millis(n) AS make_timestamptz(n::BIGINT * 1000);
CREATE MACRO spark.timestamp_micros(n) AS make_timestamptz(n::BIGINT);
CREATE MACRO spark._zone(zone) AS CASE WHEN regexp_full_match(zone, 'UTC|[A-Z]\w+/\w+') THEN zone WHEN zone IS NOT NULL THEN spark._refuse('such a time zone') END;
CREATE MACRO spark.from_utc_timestamp(t, zone) AS timezone(spark._zone(zone), spark._at(t))::TIMESTAMPTZ;
CREATE MACRO spark.to_utc_timestamp(t, zone) AS timezone(spark._zone(zone), spark._at(t)::TIMESTAMP);
CREATE MACRO spark.convert_timezone(zone, t) AS timezone(spark._zone(zone), spark._at(t)), (old, zone, t) AS timezone(spark._zone(zone), timezone(spark._zone(old), spark._at(t)::TIMESTAMP));

-- Arrays, maps and JSON. Spark keeps the order of the first array.
CREATE MACRO spark._listed(x) AS CASE WHEN typeof(x) LIKE 'MAP(%' THEN spark._refuse('explode of a map without two names') ELSE x END;
CREATE MACRO spark._structs(x) AS CASE WHEN regexp_matches(typeof(x), '^STRUCT\(.*\)\[\]$') THEN x ELSE spark._refuse('inline of other values than arrays of structs') END;
CREATE MACRO spark._kept(x, start) AS CASE WHEN typeof(x) IN (typeof(start), '"NULL"') OR (typeof(x) = 'BIGINT' AND typeof(start) = 'INTEGER') THEN cast_to_type(x, start) ELSE spark._refuse('aggregate with a function whose result has another type than its start') END;
CREATE MACRO spark._filled(x) AS CASE WHEN len(x) > 0 THEN x ELSE [NULL] END;
CREATE MACRO spark._has_null(a) AS len(list_filter(a, lambda _n: _n IS NULL)) > 0;
CREATE MACRO spark.get(a, i) AS CASE WHEN i >= 0 THEN a[i + 1] END;
-- The place in an array counts from 0, and there must be one; the key of a map is taken as it is.
CREATE MACRO spark._place(x, key) AS CASE WHEN typeof(x) LIKE 'MAP(%' THEN key ELSE cast_to_type(TRY_CAST(key AS INTEGER) + 1, key) END;
CREATE MACRO spark._absent(x, place, key, class) AS CASE WHEN typeof(x) NOT LIKE 'MAP(%' AND typeof(x) NOT LIKE 'STRUCT(%' AND abs(TRY_CAST(place AS INTEGER)) NOT BETWEEN 1
    AND len(TRY_CAST(x AS VARCHAR[])) THEN error('[' || class || '] The index ' || key || ' is out of bounds. SQLSTATE: 22003') END;
CREATE MACRO spark._item(x, key) AS coalesce(x[spark._place(x, key)],
    spark._absent(x, greatest(TRY_CAST(key AS INTEGER) + 1, 0), key, 'INVALID_ARRAY_INDEX'));
CREATE MACRO spark._field(x, key) AS CASE WHEN regexp_matches(typeof(x), '^(STRUCT|MAP)\(.*[^\]]$') THEN x[key] ELSE spark._refuse('a text as the place in an array') END;
CREATE MACRO spark.element_at(x, key) AS coalesce(x[key], spark._absent(x, key, key, 'INVALID_ARRAY_INDEX_IN_ELEMENT_AT'));
CREATE MACRO spark.try_element_at(x, key) AS CASE WHEN typeof(x) NOT LIKE 'MAP(%' AND TRY_CAST(key AS INTEGER) = 0 THEN error('[INVALID_INDEX_OF_ZERO] The index 0 is invalid. SQLSTATE: 22003') ELSE x[key] END;
CREATE MACRO spark.size(x) AS CASE WHEN typeof(x) LIKE 'MAP(%' THEN len(json_keys(to_json(x))) ELSE len(TRY_CAST(x AS VARCHAR[])) END;
CREATE MACRO spark.array_size(a) AS len(a);
CREATE MACRO spark.array_contains(a, x) AS CASE WHEN a IS NULL OR x IS NULL THEN NULL WHEN list_contains(a, x) THEN true WHEN spark._has_null(a) THEN NULL ELSE false END;
CREATE MACRO spark.arrays_overlap(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN list_has_any(a, b) THEN true WHEN len(a) = 0 OR len(b) = 0 THEN false WHEN spark._has_null(a) OR spark._has_null(b) THEN NULL ELSE false END;
CREATE MACRO spark.array_position(a, x) AS CASE WHEN a IS NOT NULL AND x IS NOT NULL THEN coalesce(list_position(a, x), 0)::BIGINT END;
CREATE MACRO spark._any(flags) AS list_reduce(flags, lambda _all, _next: _all OR _next, false);
CREATE MACRO spark._all(flags) AS list_reduce(flags, lambda _all, _next: _all AND _next, true);
CREATE MACRO spark.array_append(a, x) AS CASE WHEN a IS NOT NULL THEN list_append(a, x) END;
CREATE MACRO spark.array_prepend(a, x) AS CASE WHEN a IS NOT NULL THEN list_prepend(x, a) END;
CREATE MACRO spark.array_insert(a, place, x) AS CASE WHEN place BETWEEN 1 AND len(a) + 1 THEN list_concat(a[:place - 1], [x], a[place:]) WHEN a IS NOT NULL AND place IS NOT NULL THEN spark._refuse('array_insert outside of the array') END;
CREATE MACRO spark.array_compact(a) AS list_filter(a, lambda _c: _c IS NOT NULL);
-- Sorting brings equal values together; the first of them stays, in its place.
CREATE MACRO spark.array_distinct(a) AS list_transform([list_sort(list_transform(a, lambda x, i: {'value': x, 'place': i}))], lambda _s: list_transform(list_sort(list_filter(
    list_transform(_s, lambda x, i: CASE WHEN i = 1 OR x.value IS DISTINCT FROM _s[i - 1].value THEN {'place': x.place, 'value': x.value} END), lambda x: x IS NOT NULL)), lambda x: x.value))[1];
CREATE MACRO spark.array_union(a, b) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN spark.array_distinct(list_concat(a, b)) END;
CREATE MACRO spark.array_except(a, b) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN spark.array_distinct(list_concat(b, a))[len(spark.array_distinct(b)) + 1:] END;
CREATE MACRO spark.array_intersect(a, b) AS list_transform([spark.array_except(a, b)], lambda _o: spark.array_except(a, _o))[1];
CREATE MACRO spark.array_repeat(x, n) AS CASE WHEN n IS NOT NULL THEN list_resize([x], greatest(n, 0), x) END;
CREATE MACRO spark.array_remove(a, x) AS CASE WHEN x IS NOT NULL THEN list_filter(a, lambda _r: _r IS DISTINCT FROM x) END;
CREATE MACRO spark.array_max(a) AS list_max(a);
CREATE MACRO spark.array_min(a) AS list_min(a);
CREATE MACRO spark.array_join(a, mark) AS array_to_string(list_filter(TRY_CAST(a AS VARCHAR[]), lambda _j: _j IS NOT NULL), mark),
    (a, mark, instead) AS CASE WHEN instead IS NOT NULL THEN array_to_string(list_transform(TRY_CAST(a AS VARCHAR[]), lambda _j: coalesce(_j, instead)), mark) END;
CREATE MACRO spark.array_sort(a) AS list_sort(a, 'ASC', 'NULLS LAST');
CREATE MACRO spark.sort_array(a, ascending := true) AS CASE WHEN ascending
    THEN list_sort(a, 'ASC', 'NULLS FIRST') WHEN NOT ascending THEN list_sort(a, 'DESC', 'NULLS LAST') END;
CREATE MACRO spark.flatten(a) AS CASE WHEN NOT spark._has_null(a) THEN flatten(a) END;
CREATE MACRO spark.slice(a, start, n) AS CASE WHEN start = 0 OR n < 0 THEN CASE WHEN a IS NOT NULL THEN error('[INVALID_PARAMETER_VALUE] The start or the length of slice is wrong. SQLSTATE: 22023') END
    WHEN start IS NULL OR n IS NULL THEN NULL
    WHEN n = 0 OR abs(start) > len(a) THEN a[1:0] WHEN start > 0 THEN a[start:start + n - 1] ELSE a[len(a) + start + 1:len(a) + start + n] END;
CREATE MACRO spark._sequence(a, b) AS generate_series(a, b, CASE WHEN a > b THEN -1 ELSE 1 END),
    (a, b, step) AS CASE WHEN (step > 0 AND a > b) OR (step < 0 AND a < b) OR (step = 0 AND a <> b) THEN error('[ILLEGAL_SEQUENCE_BOUNDARIES] Illegal sequence boundaries. SQLSTATE: 22023') ELSE generate_series(a, b, step) END;
CREATE MACRO spark._steps(a, b, step) AS CASE WHEN typeof(a) <> typeof(b) THEN spark._refuse('a sequence of a date and a time')
    WHEN day(TRY_CAST(a AS DATE)) > 28 AND (date_part('month', step) <> 0 OR date_part('year', step) <> 0) THEN spark._refuse('a sequence of months from the end of one')
    WHEN (a < b AND a + step < a) OR (a > b AND a + step > a) THEN error('[ILLEGAL_SEQUENCE_BOUNDARIES] Illegal sequence boundaries. SQLSTATE: 22023') ELSE generate_series(a, b, step) END;
CREATE MACRO spark.map_keys(m) AS map_keys(m);
CREATE MACRO spark.map_entries(m) AS map_entries(m);
CREATE MACRO spark.map_contains_key(m, key) AS list_contains(map_keys(m), key);
CREATE MACRO spark.map_from_arrays(keys, items) AS CASE WHEN len(keys) <> len(items) THEN error('[UNEXPECTED] The key array and value array of MapData must have the same length. SQLSTATE: 22023') ELSE map(keys, items) END;
CREATE MACRO spark.str_to_map(s, pairs := ',', mark := ':') AS CASE WHEN NOT regexp_full_match(pairs || mark, '[\w,:;=&#/ -]{2}') THEN spark._refuse('str_to_map with such delimiters') ELSE
    map_from_entries(list_transform(string_split(s, pairs), lambda _p: row(split_part(_p, mark, 1), CASE WHEN contains(_p, mark) THEN _p[length(split_part(_p, mark, 1)) + 2:] END))) END;
CREATE MACRO spark.map_from_entries(entries) AS map_from_entries(entries);
CREATE MACRO spark.map_concat(a, b) AS CASE WHEN list_has_any(map_keys(a), map_keys(b)) THEN error('[DUPLICATED_MAP_KEY] Duplicate map key was found. SQLSTATE: 23505') WHEN a IS NOT NULL AND b IS NOT NULL THEN map_concat(a, b) END;
CREATE MACRO spark.json_array_length(json) AS CASE WHEN json_valid(json) AND json_type(json) = 'ARRAY' THEN json_array_length(json)::INTEGER END;
CREATE MACRO spark.json_object_keys(json) AS CASE WHEN json_valid(json) AND json_type(json) = 'OBJECT' THEN json_keys(json) END;
CREATE MACRO spark.to_json(x) AS CASE WHEN x IS NOT NULL THEN spark._refuse('to_json here') END;
CREATE MACRO spark._json_of_decimal(x) AS CASE WHEN abs(x) < 0.000001 AND length(split_part(x::VARCHAR, '.', 2)) > 6 THEN spark._refuse('such a decimal as JSON') ELSE spark._decimal(x) END;
-- Values in JSON. Spark reads more than what is valid: single quotes, and what follows a value.
CREATE MACRO spark._json_text(x) AS CASE WHEN x IS NULL OR regexp_full_match(x, '\s*') THEN NULL WHEN json_valid(x) THEN x::JSON
    WHEN regexp_matches(x, '^\s*[\[{]') THEN spark._refuse('such a text as JSON') ELSE 'null'::JSON END;
CREATE MACRO spark._json_type(j) AS CASE WHEN json_type(j) = 'OBJECT' AND len(json_keys(j)) > len(list_distinct(json_keys(j))) THEN spark._refuse('JSON with a key twice') ELSE json_type(j) END;
CREATE MACRO spark._json_string(j) AS CASE WHEN json_type(j) = 'NULL' THEN NULL WHEN json_type(j) = 'VARCHAR' THEN json_extract_string(j, '$')
    WHEN regexp_matches(j::VARCHAR, '\d[eE.]|\\') THEN spark._refuse('this JSON as a text') ELSE j::VARCHAR END;
CREATE MACRO spark._json_whole(j) AS CASE WHEN json_type(j) IN ('UBIGINT', 'BIGINT') THEN json_extract_string(j, '$') END;
CREATE MACRO spark._json_number(j) AS CASE WHEN json_type(j) IN ('UBIGINT', 'BIGINT', 'DOUBLE') THEN json_extract_string(j, '$')
    WHEN json_type(j) = 'VARCHAR' AND regexp_full_match(json_extract_string(j, '$'), '(?i)nan|[+-]?inf(inity)?') THEN spark._refuse('such a text as a number') END;
CREATE MACRO spark._json_decimal(j) AS CASE WHEN json_type(j) IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'VARCHAR') THEN
    CASE WHEN length(json_extract_string(j, '$')) > 16 THEN spark._refuse('such a text as a decimal') ELSE json_extract_string(j, '$') END END;
CREATE MACRO spark._json_boolean(j) AS CASE WHEN json_type(j) = 'BOOLEAN' THEN json_extract_string(j, '$') END;
CREATE MACRO spark._json_date(j) AS CASE WHEN json_type(j) = 'VARCHAR' THEN CAST(spark._date(json_extract_string(j, '$'), NULL) AS DATE) END;
CREATE MACRO spark._json_time(j) AS CASE WHEN json_type(j) = 'VARCHAR' THEN CAST(spark._time(json_extract_string(j, '$'), NULL) AS TIMESTAMPTZ)
    WHEN json_type(j) IN ('UBIGINT', 'BIGINT', 'DOUBLE') THEN spark._refuse('a number in JSON as a time') END;
CREATE MACRO spark._json(json, path) AS CASE WHEN json_valid(json) THEN CASE WHEN json_type(json, path) IN ('OBJECT', 'ARRAY') AND regexp_matches(json_extract_string(json, path), '\d[eE.]\d|\\') THEN spark._refuse('this JSON inside of JSON') ELSE json_extract_string(json, path) END END;
