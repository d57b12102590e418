-- Spark's functions that DuckDB lacks, or has with another meaning or other types of arguments.
-- A name with a leading underscore only serves the others and the rules.
-- Unqualified names are DuckDB's own. Dates and times may be given as text: Spark casts them.

CREATE MACRO spark._divisor(b) AS CASE WHEN b = 0 THEN
    error('[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. SQLSTATE: 22012') ELSE b END;
CREATE MACRO spark._div(a, b) AS trunc(a // spark._divisor(b))::BIGINT;
CREATE MACRO spark._malformed(x, kind) AS error('[CAST_INVALID_INPUT] The value ''' || x || ''' of the type "STRING" cannot be cast to "' || kind || '" because it is malformed. Use `try_cast` to tolerate malformed input and return NULL instead. SQLSTATE: 22018');
-- What CAST to a whole number keeps: the part before the point, the seconds of a time. Text must be a whole number;
-- without a `kind`, NULL stands for other text.
CREATE MACRO spark._whole(x, kind) AS CASE
    WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN trunc(TRY_CAST(x AS DOUBLE))::BIGINT
    WHEN typeof(x) LIKE 'DECIMAL%' THEN trunc(TRY_CAST(x AS DECIMAL(38, 9)))::BIGINT
    WHEN typeof(x) LIKE 'TIMESTAMP%' THEN epoch(TRY_CAST(x AS TIMESTAMPTZ))::BIGINT
    WHEN typeof(x) = 'VARCHAR' THEN coalesce(
        CASE WHEN NOT contains(x::VARCHAR, '.') AND NOT contains(lower(x::VARCHAR), 'e') THEN TRY_CAST(x AS BIGINT) END,
        CASE WHEN x IS NOT NULL AND kind IS NOT NULL THEN spark._malformed(x::VARCHAR, kind) END)
    ELSE CAST(x AS BIGINT) END;
-- Times are those of the session's time zone, and show no zone.
CREATE MACRO spark._text(x) AS CASE WHEN typeof(x) = 'TIMESTAMP WITH TIME ZONE'
    THEN regexp_replace(x::VARCHAR, '[+-]\d\d(:\d\d)?$', '') ELSE x::VARCHAR END;
CREATE MACRO spark.typeof(x) AS list_reduce([['^integer\b', 'int'], ['varchar', 'string'], ['^timestamp$', 'timestamp_ntz'],
    [' with time zone', ''], ['blob', 'binary'], ['^integer\[\]', 'array<int>'], ['(.*)\[\]$', 'array<\1>']],
    lambda t, rule: [regexp_replace(t[1], rule[1], rule[2])], [lower(typeof(x))])[1];
CREATE MACRO spark.raise_error(message) AS error('[USER_RAISED_EXCEPTION] ' || message || ' SQLSTATE: P0001');
CREATE MACRO spark.equal_null(a, b) AS a IS NOT DISTINCT FROM b;
CREATE MACRO spark.nullifzero(x) AS nullif(x, 0);
CREATE MACRO spark.zeroifnull(x) AS coalesce(x, 0);
CREATE MACRO spark.isnull(x) AS x IS NULL;
CREATE MACRO spark.isnotnull(x) AS x IS NOT NULL;
CREATE MACRO spark.monotonically_increasing_id() AS row_number() OVER () - 1;
CREATE MACRO spark.uuid() AS gen_random_uuid()::VARCHAR;
CREATE MACRO spark.sha2(x, bits) AS CASE WHEN bits IN (0, 256) THEN sha256(x)
    ELSE error('[UNSUPPORTED_FEATURE] The local server has sha2 with 256 bits only. SQLSTATE: 0A000') END;

-- Numbers
CREATE MACRO spark.ceil(x) AS ceil(x)::BIGINT, (x, digits) AS ceil(x * 10 ** digits) / 10 ** digits;
CREATE MACRO spark.floor(x) AS floor(x)::BIGINT, (x, digits) AS floor(x * 10 ** digits) / 10 ** digits;
CREATE MACRO spark.bround(x, digits := 0) AS cast_to_type(round_even(x, digits), x);
CREATE MACRO spark.sign(x) AS sign(x)::DOUBLE;
CREATE MACRO spark.negative(x) AS -(x);
CREATE MACRO spark.positive(x) AS x;
CREATE MACRO spark.pmod(a, b) AS ((a % spark._divisor(b)) + b) % b;
CREATE MACRO spark.e() AS exp(1);
CREATE MACRO spark.expm1(x) AS exp(x) - 1;
CREATE MACRO spark.log1p(x) AS ln(1 + x);
CREATE MACRO spark.hypot(a, b) AS sqrt(a * a + b * b);
CREATE MACRO spark.nanvl(a, b) AS CASE WHEN isnan(a) THEN b ELSE a END;
CREATE MACRO spark.getbit(x, n) AS (x >> n) & 1;
CREATE MACRO spark.try_add(a, b) AS TRY(a + b);
CREATE MACRO spark.try_subtract(a, b) AS TRY(a - b);
CREATE MACRO spark.try_multiply(a, b) AS TRY(a * b);
CREATE MACRO spark.try_divide(a, b) AS a / nullif(b, 0);

-- Text. Groups are `$1` in Java's replacements and `\1` in DuckDB's.
CREATE MACRO spark.split(s, regex, n := 0) AS CASE
    WHEN n <= 0 OR len(string_split_regex(s, regex)) <= n THEN string_split_regex(s, regex)
    ELSE list_append(string_split_regex(s, regex)[1:n - 1], regexp_replace(s, '(?s)^(.*?(' || regex || ')){' || n - 1 || '}', '')) END;
CREATE MACRO spark.regexp_replace(s, regex, new) AS regexp_replace(s, regex, regexp_replace(new, '\$(\d)', '\\\1', 'g'), 'g');
CREATE MACRO spark.regexp_count(s, regex) AS len(regexp_extract_all(s, regex));
CREATE MACRO spark.regexp_substr(s, regex) AS CASE WHEN regexp_matches(s, regex) THEN regexp_extract(s, regex) END;
CREATE MACRO spark.regexp_instr(s, regex) AS CASE WHEN regexp_matches(s, regex) THEN len(string_split_regex(s, regex)[1]) + 1 ELSE 0 END;
CREATE MACRO spark.replace(s, old, new := '') AS replace(s, old, new);
CREATE MACRO spark.reverse(x) AS cast_to_type(CASE WHEN typeof(x) LIKE '%[]' THEN list_reverse(TRY_CAST(x AS VARCHAR[]))::VARCHAR
    ELSE reverse(x::VARCHAR) END, x);
CREATE MACRO spark._bytes(x) AS octet_length(TRY_CAST(x AS BLOB));
CREATE MACRO spark.length(x) AS CASE WHEN typeof(x) = 'BLOB' THEN spark._bytes(x) ELSE length(x::VARCHAR) END;
CREATE MACRO spark.octet_length(x) AS CASE WHEN typeof(x) = 'BLOB' THEN spark._bytes(x) ELSE strlen(x::VARCHAR) END;
CREATE MACRO spark.bit_length(x) AS 8 * spark.octet_length(x);
CREATE MACRO spark.ascii(s) AS ascii(s::VARCHAR);
CREATE MACRO spark.format_number(x, digits) AS format('{:,.' || digits || 'f}', x::DOUBLE);
CREATE MACRO spark.find_in_set(s, items) AS CASE WHEN items IS NOT NULL THEN coalesce(list_position(string_split(items, ','), s), 0) END;
CREATE MACRO spark.substring_index(s, mark, n) AS CASE WHEN n = 0 THEN '' WHEN n > 0
    THEN array_to_string(string_split(s, mark)[:n], mark) ELSE array_to_string(string_split(s, mark)[n:], mark) END;
CREATE MACRO spark.mask(s) AS regexp_replace(regexp_replace(regexp_replace(s, '[A-Z]', 'X', 'g'), '[a-z]', 'x', 'g'), '[0-9]', 'n', 'g');
CREATE MACRO spark.url_encode(s) AS replace(url_encode(s), '%20', '+');
CREATE MACRO spark.url_decode(s) AS url_decode(replace(s, '+', ' '));
CREATE MACRO spark.parse_url(url, part) AS nullif(regexp_extract(url, CASE part WHEN 'PROTOCOL' THEN '^([^:/?#]+):'
    WHEN 'HOST' THEN '^[^:]+://(?:[^@/?#]*@)?([^:/?#]+)' WHEN 'AUTHORITY' THEN '^[^:]+://([^/?#]+)'
    WHEN 'PATH' THEN '^[^:]+://[^/?#]*([^?#]*)' WHEN 'FILE' THEN '^[^:]+://[^/?#]*([^#]*)' WHEN 'QUERY' THEN '\?([^#]*)'
    WHEN 'REF' THEN '#(.*)' WHEN 'USERINFO' THEN '^[^:]+://([^@/?#]*)@' END, 1), ''),
    (url, part, key) AS nullif(regexp_extract(url, '[?&]' || key || '=([^&#]*)', 1), '');

-- Dates and times. A rule translates the patterns of Java.
CREATE MACRO spark._unit(unit) AS CASE upper(unit) WHEN 'YYYY' THEN 'year' WHEN 'YY' THEN 'year' WHEN 'MM' THEN 'month'
    WHEN 'MON' THEN 'month' WHEN 'DD' THEN 'day' ELSE unit END;
CREATE MACRO spark._parse(s, pattern) AS coalesce(try_strptime(s::VARCHAR, pattern), CASE WHEN s IS NOT NULL
    THEN error('[CANNOT_PARSE_TIMESTAMP] Text ''' || s::VARCHAR || ''' could not be parsed. SQLSTATE: 22007')::TIMESTAMP END);
CREATE MACRO spark.to_date(s) AS s::DATE, (s, pattern) AS spark._parse(s, pattern)::DATE;
CREATE MACRO spark.timestamp(s) AS s::TIMESTAMPTZ;
CREATE MACRO spark.to_timestamp(s) AS s::TIMESTAMPTZ, (s, pattern) AS spark._parse(s, pattern)::TIMESTAMPTZ;
CREATE MACRO spark.try_to_timestamp(s) AS TRY_CAST(s AS TIMESTAMPTZ), (s, pattern) AS try_strptime(s, pattern)::TIMESTAMPTZ;
CREATE MACRO spark.unix_timestamp() AS epoch(now())::BIGINT, (t) AS epoch(t::TIMESTAMPTZ)::BIGINT,
    (s, pattern) AS epoch(spark._parse(s, pattern))::BIGINT;
CREATE MACRO spark.from_unixtime(n, pattern := '%Y-%m-%d %H:%M:%S') AS strftime(to_timestamp(n)::TIMESTAMP, pattern);
CREATE MACRO spark.date_format(t, pattern) AS strftime(t::TIMESTAMP, pattern);
CREATE MACRO spark.date_add(d, n) AS d::DATE + n::INTEGER;
CREATE MACRO spark.date_sub(d, n) AS d::DATE - n::INTEGER;
CREATE MACRO spark.datediff(a, b) AS (a::DATE - b::DATE)::INTEGER;
CREATE MACRO spark.timestampdiff(unit, a, b) AS date_sub(unit, a::TIMESTAMPTZ, b::TIMESTAMPTZ);
CREATE MACRO spark.timestampadd(unit, n, t) AS t::TIMESTAMPTZ + n * CAST('1 ' || unit AS INTERVAL);
CREATE MACRO spark.add_months(d, n) AS (d::DATE + to_months(n::INTEGER))::DATE;
CREATE MACRO spark._months(a, b) AS round((year(a) - year(b)) * 12 + month(a) - month(b) + CASE
    WHEN day(a) = day(b) OR (a::DATE = last_day(a) AND b::DATE = last_day(b)) THEN 0
    ELSE (day(a) - day(b)) / 31 + (epoch(a::TIME) - epoch(b::TIME)) / 2678400 END, 8);
CREATE MACRO spark.months_between(a, b) AS spark._months(a::TIMESTAMP, b::TIMESTAMP);
CREATE MACRO spark.date_trunc(unit, t) AS date_trunc(spark._unit(unit), t::TIMESTAMPTZ);
CREATE MACRO spark.trunc(d, unit) AS date_trunc(spark._unit(unit), d::DATE)::DATE;
CREATE MACRO spark.year(d) AS year(d::DATE)::INTEGER;
CREATE MACRO spark.quarter(d) AS quarter(d::DATE)::INTEGER;
CREATE MACRO spark.month(d) AS month(d::DATE)::INTEGER;
CREATE MACRO spark.day(d) AS day(d::DATE)::INTEGER;
CREATE MACRO spark.dayofweek(d) AS (dayofweek(d::DATE) + 1)::INTEGER;
CREATE MACRO spark.weekday(d) AS (isodow(d::DATE) - 1)::INTEGER;
CREATE MACRO spark.dayofyear(d) AS dayofyear(d::DATE)::INTEGER;
CREATE MACRO spark.weekofyear(d) AS week(d::DATE)::INTEGER;
CREATE MACRO spark.hour(t) AS hour(t::TIMESTAMP)::INTEGER;
CREATE MACRO spark.minute(t) AS minute(t::TIMESTAMP)::INTEGER;
CREATE MACRO spark.second(t) AS second(t::TIMESTAMP)::INTEGER;
CREATE MACRO spark._seconds(t) AS ((epoch_us(t::TIMESTAMP) % 60000000) / 1000000)::DECIMAL(8, 6);
CREATE MACRO spark.dayname(d) AS strftime(d::DATE, '%a');
CREATE MACRO spark.monthname(d) AS strftime(d::DATE, '%b');
CREATE MACRO spark.last_day(d) AS last_day(d::DATE);
CREATE MACRO spark.next_day(d, name) AS d::DATE + 1
    + (list_position(['mo', 'tu', 'we', 'th', 'fr', 'sa', 'su'], lower(name[:2])) - isodow(d::DATE) + 6)::INTEGER % 7;
CREATE MACRO spark.make_timestamp(y, m, d, h, mi, s) AS make_timestamptz(y, m, d, h, mi, s::DOUBLE);
CREATE MACRO spark.unix_date(d) AS (d::DATE - DATE '1970-01-01')::INTEGER;
CREATE MACRO spark.date_from_unix_date(n) AS DATE '1970-01-01' + n::INTEGER;
CREATE MACRO spark.unix_seconds(t) AS epoch_us(t::TIMESTAMPTZ) // 1000000;
CREATE MACRO spark.unix_millis(t) AS epoch_ms(t::TIMESTAMPTZ);
CREATE MACRO spark.unix_micros(t) AS epoch_us(t::TIMESTAMPTZ);
CREATE MACRO spark.timestamp_seconds(n) AS to_timestamp(n);
CREATE MACRO spark.timestamp_millis(n) AS make_timestamptz(n * 1000);
CREATE MACRO spark.from_utc_timestamp(t, zone) AS timezone(zone, t::TIMESTAMPTZ)::TIMESTAMPTZ;
CREATE MACRO spark.to_utc_timestamp(t, zone) AS timezone(zone, t::TIMESTAMP);
CREATE MACRO spark.current_timezone() AS current_setting('TimeZone');

-- Arrays, maps and JSON. Spark keeps the order of the first array.
CREATE MACRO spark.get(a, i) AS CASE WHEN i >= 0 THEN a[i + 1] END;
-- The place in an array counts from 0, and there must be one; the key of a map is taken as it is.
CREATE MACRO spark._place(x, key) AS CASE WHEN typeof(x) LIKE 'MAP(%' THEN key ELSE cast_to_type(TRY_CAST(key AS INTEGER) + 1, key) END;
CREATE MACRO spark._absent(x, place, key, class) AS CASE WHEN typeof(x) NOT LIKE 'MAP(%' AND abs(TRY_CAST(place AS INTEGER)) NOT BETWEEN 1
    AND len(TRY_CAST(x AS VARCHAR[])) THEN error('[' || class || '] The index ' || key || ' is out of bounds. SQLSTATE: 22003') END;
CREATE MACRO spark._item(x, key) AS coalesce(x[spark._place(x, key)],
    spark._absent(x, greatest(TRY_CAST(key AS INTEGER) + 1, 0), key, 'INVALID_ARRAY_INDEX'));
CREATE MACRO spark.element_at(x, key) AS coalesce(x[key], spark._absent(x, key, key, 'INVALID_ARRAY_INDEX_IN_ELEMENT_AT'));
CREATE MACRO spark.try_element_at(x, key) AS x[key];
CREATE MACRO spark.size(x) AS CASE WHEN typeof(x) LIKE 'MAP(%' THEN len(json_keys(to_json(x))) ELSE len(TRY_CAST(x AS VARCHAR[])) END;
CREATE MACRO spark.array_position(a, x) AS CASE WHEN a IS NOT NULL AND x IS NOT NULL THEN coalesce(list_position(a, x), 0)::BIGINT END;
CREATE MACRO spark._any(flags) AS list_reduce(flags, lambda _all, _next: _all OR _next, false);
CREATE MACRO spark._all(flags) AS list_reduce(flags, lambda _all, _next: _all AND _next, true);
CREATE MACRO spark.array_distinct(a) AS list_filter(a, lambda x, i: list_position(a, x) = i);
CREATE MACRO spark.array_union(a, b) AS spark.array_distinct(list_concat(a, b));
CREATE MACRO spark.array_intersect(a, b) AS list_filter(spark.array_distinct(a), lambda x: list_position(b, x) IS NOT NULL);
CREATE MACRO spark.array_except(a, b) AS list_filter(spark.array_distinct(a), lambda x: list_position(b, x) IS NULL);
CREATE MACRO spark.array_repeat(x, n) AS list_resize([x], n, x);
CREATE MACRO spark.array_remove(a, x) AS list_filter(a, lambda item: item IS DISTINCT FROM x);
CREATE MACRO spark.array_sort(a) AS list_sort(a, 'ASC', 'NULLS LAST');
CREATE MACRO spark.sort_array(a, ascending := true) AS CASE WHEN ascending
    THEN list_sort(a, 'ASC', 'NULLS FIRST') ELSE list_sort(a, 'DESC', 'NULLS LAST') END;
CREATE MACRO spark.slice(a, start, n) AS CASE WHEN start > 0 THEN a[start:start + n - 1] ELSE a[len(a) + start + 1:len(a) + start + n] END;
CREATE MACRO spark.str_to_map(s, pairs := ',', mark := ':') AS map_from_entries(list_transform(string_split_regex(s, pairs),
    lambda pair: {'key': string_split(pair, mark)[1], 'value': string_split(pair, mark)[2]}));
CREATE MACRO spark.get_json_object(json, path) AS CASE WHEN json_valid(json) THEN json_extract_string(json, path) END;
CREATE MACRO spark.to_json(x) AS to_json(x)::VARCHAR;
CREATE MACRO spark.json_array_length(json) AS CASE WHEN json_valid(json) THEN json_array_length(json)::INTEGER END;
CREATE MACRO spark.json_object_keys(json) AS CASE WHEN json_valid(json) THEN json_keys(json) END;
