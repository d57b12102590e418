"""Ordinary SELECTs of Spark, and their right answers.

The statements are the examples of Spark's function documentation and of its SQL reference, several in one where they
belong together, and statements of that kind. The answers are those of the documentation; each was confirmed by Spark
4.0.0 itself, with ``spark.sql.ansi.enabled`` and the time zone UTC, as on the service.
"""

# ruff: noqa: S608

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A statement and what Spark answers.

    :param statement: the statement.
    :param rows: its rows, as Arrow gives them to Python: a struct is a dict, a map a list of pairs.
    :param source: the page below https://spark.apache.org/docs/4.0.0/ that says so.
    :param error: the class of its error; empty if it succeeds.
    """

    statement: str
    rows: list[tuple[Any, ...]]
    source: str
    error: str = ""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DEALERS = (
    "(VALUES "
    "(100, 'Fremont', 'Honda Civic', 10), (100, 'Fremont', 'Honda Accord', 15), "
    "(100, 'Fremont', 'Honda CRV', 7), (200, 'Dublin', 'Honda Civic', 20), "
    "(200, 'Dublin', 'Honda Accord', 10), (200, 'Dublin', 'Honda CRV', 3), "
    "(300, 'San Jose', 'Honda Civic', 5), (300, 'San Jose', 'Honda Accord', 8)"
    ") AS dealer(id, city, car_model, quantity)"
)
EMPLOYEES = (
    "(VALUES "
    "('Lisa', 'Sales', 10000, 35), ('Evan', 'Sales', 32000, 38), ('Fred', 'Engineering', 21000, 28), "
    "('Alex', 'Sales', 30000, 33), ('Tom', 'Engineering', 23000, 33), ('Jane', 'Marketing', 29000, 28), "
    "('Jeff', 'Marketing', 35000, 38), ('Paul', 'Engineering', 29000, 23), ('Chloe', 'Engineering', 23000, 25)"
    ") AS employees(name, dept, salary, age)"
)
PERSONS = (
    "(VALUES "
    "(100, 'John', 30, 1, 'Street 1'), (200, 'Mary', NULL, 1, 'Street 2'), (300, 'Mike', 80, 3, 'Street 3'), "
    "(400, 'Dan', 50, 4, 'Street 4')"
    ") AS person(id, name, age, class, address)"
)

ANSWERS: tuple[Answer, ...] = (
    Answer(
        "SELECT split('oneAtwoBthreeC', '[ABC]'), split('oneAtwoBthreeC', '[ABC]', 2)",
        [(["one", "two", "three", ""], ["one", "twoBthreeC"])],
        "api/sql/#split",
    ),
    Answer(
        "SELECT substring('Spark SQL', 5), substring('Spark SQL', -3), substr('Spark SQL', 5, 1), substring('Spark "
        "SQL' FROM 5 FOR 1)",
        [("k SQL", "SQL", "k", "k")],
        "api/sql/#substring",
    ),
    Answer(
        "SELECT concat_ws(' ', 'Spark', 'SQL'), concat_ws('/', 'foo', NULL, 'bar'), concat_ws(',', array('a', 'b'))",
        [("Spark SQL", "foo/bar", "a,b")],
        "api/sql/#concat_ws",
    ),
    Answer("SELECT concat_ws('s')", [("",)], "api/sql/#concat_ws"),
    Answer(
        "SELECT concat('Spark', 'SQL'), concat('a', NULL), 'a' || 1 || 'b', concat(array(1, 2, 3), array(4, 5), "
        "array(6))",
        [("SparkSQL", None, "a1b", [1, 2, 3, 4, 5, 6])],
        "api/sql/#concat",
    ),
    Answer(
        "SELECT initcap('sPark sql'), upper('SparkSql'), ucase('SparkSql'), lower('SparkSql'), lcase('SparkSql')",
        [("Spark Sql", "SPARKSQL", "SPARKSQL", "sparksql", "sparksql")],
        "api/sql/#initcap",
    ),
    Answer(
        "SELECT instr('SparkSQL', 'SQL'), locate('bar', 'foobarbar'), locate('bar', 'foobarbar', 5), position('bar' "
        "IN 'foobarbar')",
        [(6, 4, 7, 4)],
        "api/sql/#locate",
    ),
    Answer(
        "SELECT lpad('hi', 5, '??'), lpad('hi', 1, '??'), lpad('hi', 5), rpad('hi', 5, '??'), rpad('hi', 1)",
        [("???hi", "h", "   hi", "hi???", "h")],
        "api/sql/#lpad",
    ),
    Answer(
        "SELECT trim('    SparkSQL   '), trim(BOTH 'SL' FROM 'SSparkSQLS'), trim(LEADING 'SL' FROM 'SSparkSQLS'), "
        "ltrim('    SparkSQL   '), rtrim('    SparkSQL'), btrim('SSparkSQLS', 'SL')",
        [("SparkSQL", "parkSQ", "parkSQLS", "SparkSQL   ", "    SparkSQL", "parkSQ")],
        "api/sql/#trim",
    ),
    Answer(
        r"SELECT regexp_replace('100-200', '(\\d+)', 'num'), regexp_replace('ab12', '([a-z]+)(\\d+)', '$2$1')",
        [("num-num", "12ab")],
        "api/sql/#regexp_replace",
    ),
    Answer(
        r"SELECT regexp_extract('100-200', '(\\d+)-(\\d+)', 1), regexp_extract('100-200', '(\\d+)-(\\d+)'), "
        r"regexp_extract('100-200', '(\\d+)-(\\d+)', 0), regexp_extract('abc', '(\\d+)', 1)",
        [("100", "100", "100-200", "")],
        "api/sql/#regexp_extract",
    ),
    Answer(
        r"SELECT regexp_extract_all('100-200, 300-400', '(\\d+)-(\\d+)', 1), regexp_extract_all('100-200, 300-400', "
        r"'(\\d+)-(\\d+)')",
        [(["100", "300"], ["100", "300"])],
        "api/sql/#regexp_extract_all",
    ),
    Answer(
        r"SELECT 'Steven Jones and Stephen Smith' RLIKE 'Ste(v|ph)en', regexp_like('abc', '^b'), "
        r"regexp('2024-01-05', r'^\d{4}-\d{2}-\d{2}$')",
        [(True, False, True)],
        "api/sql/#rlike",
    ),
    Answer(
        r"SELECT regexp_count('Steven Jones and Stephen Smith are the best players', 'Ste(v|ph)en'), "
        r"regexp_substr('Steven Jones and Stephen Smith are the best players', 'Ste(v|ph)en'), "
        r"regexp_instr('abcd123', r'\d+')",
        [(2, "Steven", 5)],
        "api/sql/#regexp_count",
    ),
    Answer(
        "SELECT translate('AaBbCc', 'abc', '123'), replace('ABCabc', 'abc', 'DEF'), replace('ABCabc', 'abc'), "
        "overlay('Spark SQL' PLACING '_' FROM 6), overlay('Spark SQL' PLACING 'ANSI ' FROM 7 FOR 0)",
        [("A1B2C3", "ABCDEF", "ABC", "Spark_SQL", "Spark ANSI SQL")],
        "api/sql/#translate",
    ),
    Answer(
        "SELECT reverse('Spark SQL'), repeat('123', 2), concat(space(2), '1')",
        [("LQS krapS", "123123", "  1")],
        "api/sql/#reverse",
    ),
    Answer("SELECT reverse(array(2, 1, 4, 3))", [([3, 4, 1, 2],)], "api/sql/#reverse"),
    Answer(
        "SELECT length('Spark SQL '), char_length('Spark SQL '), character_length('héllo'), octet_length('héllo'), "
        "bit_length('Spark SQL')",
        [(10, 10, 5, 6, 72)],
        "api/sql/#length",
    ),
    Answer("SELECT left('Spark SQL', 3), right('Spark SQL', 3)", [("Spa", "SQL")], "api/sql/#left"),
    Answer(
        "SELECT substring_index('www.apache.org', '.', 2), substring_index('www.apache.org', '.', -2), "
        "split_part('11.12.13', '.', 3), split_part('11.12.13', '.', -3), split_part('11.12.13', '.', 5)",
        [("www.apache", "apache.org", "13", "11", "")],
        "api/sql/#substring_index",
    ),
    Answer("SELECT ascii('222'), ascii(2), chr(65), char(65)", [(50, 50, "A", "A")], "api/sql/#ascii"),
    Answer(
        "SELECT format_number(12332.123456, 4), format_number(12332, 0), format_number(1234567.5, 2)",
        [("12,332.1235", "12,332", "1,234,567.50")],
        "api/sql/#format_number",
    ),
    Answer(
        "SELECT format_string('Hello World %d %s', 100, 'days'), printf('%05d|%.2f', 42, 3.14159D)",
        [("Hello World 100 days", "00042|3.14")],
        "api/sql/#format_string",
    ),
    Answer("SELECT levenshtein('kitten', 'sitting')", [(3,)], "api/sql/#levenshtein"),
    Answer("SELECT soundex('Miller')", [("M460",)], "api/sql/#soundex"),
    Answer(
        "SELECT startswith('Spark SQL', 'Spark'), endswith('Spark SQL', 'SQL'), contains('Spark SQL', 'Spark'), "
        "contains('Spark SQL', 'SPARK')",
        [(True, True, True, False)],
        "api/sql/#startswith",
    ),
    Answer("SELECT find_in_set('ab', 'abc,b,ab,c,def'), find_in_set('x', 'abc,b')", [(3, 0)], "api/sql/#find_in_set"),
    Answer("SELECT elt(1, 'scala', 'java'), elt(2, 'a', 'b')", [("scala", "b")], "api/sql/#elt"),
    Answer(
        "SELECT base64('Spark SQL'), unbase64('U3BhcmsgU1FM'), cast(unbase64('U3BhcmsgU1FM') AS string)",
        [("U3BhcmsgU1FM", b"Spark SQL", "Spark SQL")],
        "api/sql/#base64",
    ),
    Answer(
        "SELECT hex(17), hex('Spark SQL'), decode(unhex('537061726B2053514C'), 'UTF-8'), X'1CF'",
        [("11", "537061726B2053514C", "Spark SQL", b"\x01\xcf")],
        "api/sql/#hex",
    ),
    Answer(
        "SELECT decode(encode('abc', 'utf-8'), 'utf-8'), decode(2, 1, 'Southlake', 2, 'San Francisco', 3, 'New "
        "Jersey', 'Non domestic'), decode(6, 1, 'Southlake', 'Non domestic'), decode(NULL, 6, 'Spark', NULL, 'SQL', "
        "4, 'rocks')",
        [("abc", "San Francisco", "Non domestic", "SQL")],
        "api/sql/#decode",
    ),
    Answer(
        r"SELECT 'Spark' LIKE '_park', 'Spark' ILIKE '_PARK', '100%' LIKE '100\\%', '%SystemDrive%/Users/John' LIKE "
        r"'/%SystemDrive/%//Users%' ESCAPE '/', 'Mary' NOT LIKE 'M%'",
        [(True, True, True, True, False)],
        "api/sql/#like",
    ),
    Answer(
        "SELECT 'Evan' LIKE ANY ('%an%', '%xx%'), 'Evan' LIKE ALL ('%an%', 'E%'), 'Evan' NOT LIKE ALL ('%xx%')",
        [(True, True, True)],
        "sql-ref-syntax-qry-select-like.html",
    ),
    Answer(
        "SELECT url_encode('https://spark.apache.org'), url_decode('https%3A%2F%2Fspark.apache.org'), "
        "parse_url('http://spark.apache.org/path?query=1', 'HOST'), "
        "parse_url('http://spark.apache.org/path?query=1', 'QUERY', 'query')",
        [("https%3A%2F%2Fspark.apache.org", "https://spark.apache.org", "spark.apache.org", "1")],
        "api/sql/#url_encode",
    ),
    Answer(
        r"""SELECT "Hello, World!" AS a, 'it\'s' AS b, 'a\tb\nc' AS c, r'\d\n' AS d, 'x' 'y' AS e, '\u00e9' AS f""",
        [("Hello, World!", "it's", "a\tb\nc", "\\d\\n", "xy", "é")],
        "sql-ref-literals.html",
    ),
    Answer(
        "SELECT -2147483600L, 5Y, 7S, 5E-1, 3.0D, 12.578, 1.5BD, 1E2, DATE '2011-11-11', TIMESTAMP '1997-01-31 "
        "09:26:56.123', X'1C7F', NULL, TRUE",
        [
            (
                -2147483600,
                5,
                7,
                0.5,
                3.0,
                Decimal("12.578"),
                Decimal("1.5"),
                100.0,
                date(2011, 11, 11),
                _at("1997-01-31 09:26:56.123000"),
                b"\x1c\x7f",
                None,
                True,
            )
        ],
        "sql-ref-literals.html",
    ),
    Answer("SELECT mask('abcd-EFGH-8765-4321')", [("xxxx-XXXX-nnnn-nnnn",)], "api/sql/#mask"),
    Answer(
        "SELECT to_number('454', '999'), to_char(454, '999'), to_number('12,454.8', '99,999.9')",
        [(Decimal("454"), "454", Decimal("12454.8"))],
        "api/sql/#to_number",
    ),
    Answer(
        "SELECT 3 / 2, 2L / 2L, 1 / 3, 7 DIV 2, -7 DIV 2, 3 DIV 2",
        [(1.5, 1.0, 0.3333333333333333, 3, -3, 1)],
        "api/sql/#/",
    ),
    Answer(
        "SELECT 2 % 1.8, mod(7, 3), -7 % 3, pmod(10, 3), pmod(-10, 3), MOD(2, 1.8)",
        [(Decimal("0.2"), 1, -1, 1, 2, Decimal("0.2"))],
        "api/sql/#%",
    ),
    Answer(
        "SELECT round(2.5, 0), round(2.5), round(-2.5), round(125.315, 2), round(125, -1), bround(2.5, 0), "
        "bround(25, -1)",
        [(Decimal("3"), Decimal("3"), Decimal("-3"), Decimal("125.32"), 130, Decimal("2"), 20)],
        "api/sql/#round",
    ),
    Answer(
        "SELECT ceil(-0.1), ceil(5), ceil(3.1411, 3), ceiling(-0.1), floor(-0.1), floor(5), floor(3.1411, 3), "
        "floor(2.7D)",
        [(Decimal("0"), 5, Decimal("3.142"), Decimal("0"), Decimal("-1"), 5, Decimal("3.141"), 2)],
        "api/sql/#ceil",
    ),
    Answer(
        "SELECT abs(-1), sign(40), signum(-2.5D), sqrt(4), cbrt(27.0), power(2, 3), pow(2, 0.5), exp(0), "
        "negative(1), positive(1)",
        [(1, 1.0, -1.0, 2.0, 3.0, 8.0, 1.4142135623730951, 1.0, -1, 1)],
        "api/sql/#abs",
    ),
    Answer(
        "SELECT ln(1), log(10, 100), log10(10), log2(2), log1p(0), expm1(0), log(e())",
        [(0.0, 2.0, 1.0, 1.0, 0.0, 0.0, 1.0)],
        "api/sql/#log",
    ),
    Answer(
        "SELECT sin(0), cos(0), tan(0), asin(0), acos(1), atan(0), atan2(0, 0), degrees(3.141592653589793), "
        "radians(180), pi(), hypot(3, 4), cot(1), sinh(0)",
        [
            (
                0.0,
                1.0,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
                180.0,
                3.141592653589793,
                3.141592653589793,
                5.0,
                0.6420926159343306,
                0.0,
            )
        ],
        "api/sql/#sin",
    ),
    Answer(
        "SELECT greatest(10, 9, 2, 4, 3), least(10, 9, 2, 4, 3), greatest(1, NULL, 3), least('b', 'a')",
        [(10, 2, 3, "a")],
        "api/sql/#greatest",
    ),
    Answer(
        "SELECT bin(13), bin(-13), factorial(5)",
        [("1101", "1111111111111111111111111111111111111111111111111111111111110011", 120)],
        "api/sql/#conv",
    ),
    Answer("SELECT conv('100', 2, 10), conv('ff', 16, 10)", [("4", "255")], "api/sql/#conv"),
    Answer(
        "SELECT 3 & 5, 3 | 5, 3 ^ 5, ~ 0, shiftleft(2, 1), shiftright(4, 1), 2 << 1, 4 >> 1, bit_count(7), "
        "getbit(11, 0)",
        [(1, 7, 6, -1, 4, 2, 4, 2, 3, 1)],
        "api/sql/#&",
    ),
    Answer(
        "SELECT try_divide(3, 2), try_divide(1, 0), try_add(1, 2), try_add(2147483647, 1), try_subtract(2, 1), "
        "try_multiply(2, 3)",
        [(1.5, None, 3, None, 1, 6)],
        "api/sql/#try_divide",
    ),
    Answer(
        "SELECT nanvl(cast('NaN' AS double), 123), isnan(cast('NaN' AS double)), nullifzero(0), zeroifnull(NULL)",
        [(123.0, True, None, 0)],
        "api/sql/#nanvl",
    ),
    Answer(
        "SELECT 1.5 + 2.25, 1.1 * 3, 10.5 - 1, cast('1.234' AS decimal(10, 2)), cast(5 AS decimal), cast(1.005 AS "
        "decimal(10, 2)), -cast(2.5 AS decimal(3, 1))",
        [
            (
                Decimal("3.75"),
                Decimal("3.3"),
                Decimal("9.5"),
                Decimal("1.23"),
                Decimal("5"),
                Decimal("1.01"),
                Decimal("-2.5"),
            )
        ],
        "sql-ref-ansi-compliance.html",
    ),
    Answer(
        "SELECT rand() BETWEEN 0 AND 1, rand(42) < 1, random() >= 0, length(uuid())",
        [(True, True, True, 36)],
        "api/sql/#rand",
    ),
    Answer(
        "SELECT date_add('2016-07-30', 1), date_sub('2016-07-30', 1), datediff('2009-07-31', '2009-07-30'), "
        "date_diff('2009-07-30', '2009-07-31'), date_add(DATE '2024-02-28', 2)",
        [(date(2016, 7, 31), date(2016, 7, 29), 1, -1, date(2024, 3, 1))],
        "api/sql/#date_add",
    ),
    Answer(
        "SELECT add_months('2016-08-31', 1), add_months('2024-01-31', 1), add_months(DATE '2024-02-29', 12), "
        "add_months(DATE '2024-02-29', 1)",
        [(date(2016, 9, 30), date(2024, 2, 29), date(2025, 2, 28), date(2024, 3, 29))],
        "api/sql/#add_months",
    ),
    Answer(
        "SELECT months_between('1997-02-28 10:30:00', '1996-10-30'), months_between('2024-03-31', '2024-02-29'), "
        "months_between('2024-03-15', '2024-01-15')",
        [(3.94959677, 1.0, 2.0)],
        "api/sql/#months_between",
    ),
    Answer(
        "SELECT date_format('2016-04-08', 'y'), date_format(TIMESTAMP '2020-03-05 14:07:09', 'yyyy-MM-dd "
        "HH:mm:ss'), date_format(DATE '2020-03-05', 'EEEE, d MMMM yyyy'), date_format(TIMESTAMP '2020-03-05 "
        "14:07:09.123', 'EEE dd MMM yy hh:mm a SSS')",
        [("2016", "2020-03-05 14:07:09", "Thursday, 5 March 2020", "Thu 05 Mar 20 02:07 PM 123")],
        "api/sql/#date_format",
    ),
    Answer(
        "SELECT date_trunc('YEAR', '2015-03-05T09:32:05.359'), date_trunc('MM', '2015-03-05T09:32:05.359'), "
        "date_trunc('week', DATE '2019-08-04'), date_trunc('HOUR', TIMESTAMP '2015-03-05 09:32:05'), "
        "date_trunc('QUARTER', TIMESTAMP '2015-03-05 09:32:05')",
        [
            (
                _at("2015-01-01 00:00:00"),
                _at("2015-03-01 00:00:00"),
                _at("2019-07-29 00:00:00"),
                _at("2015-03-05 09:00:00"),
                _at("2015-01-01 00:00:00"),
            )
        ],
        "api/sql/#date_trunc",
    ),
    Answer(
        "SELECT trunc('2019-08-04', 'week'), trunc('2019-08-04', 'quarter'), trunc('2009-02-12', 'MM'), "
        "trunc('2015-10-27', 'YEAR')",
        [(date(2019, 7, 29), date(2019, 7, 1), date(2009, 2, 1), date(2015, 1, 1))],
        "api/sql/#trunc",
    ),
    Answer(
        "SELECT year('2016-07-30'), month('2016-07-30'), day('2009-07-30'), dayofmonth('2009-07-30'), "
        "quarter('2016-08-31'), hour('2009-07-30 12:58:59'), minute('2009-07-30 12:58:59'), second('2009-07-30 "
        "12:58:59')",
        [(2016, 7, 30, 30, 3, 12, 58, 59)],
        "api/sql/#year",
    ),
    Answer(
        "SELECT dayofweek('2009-07-30'), weekday('2009-07-30'), dayofyear('2016-04-09'), weekofyear('2008-02-20'), "
        "weekofyear(DATE '2021-01-03'), dayname(DATE '2008-02-20'), monthname('2008-02-20')",
        [(5, 3, 100, 8, 53, "Wed", "Feb")],
        "api/sql/#dayofweek",
    ),
    Answer(
        "SELECT extract(YEAR FROM TIMESTAMP '2019-08-12 01:00:00.123456'), extract(week FROM TIMESTAMP '2019-08-12 "
        "01:00:00.123456'), extract(doy FROM DATE '2019-08-12'), extract(MINUTE FROM TIMESTAMP '2019-08-12 "
        "01:07:00'), extract(DAYOFWEEK FROM DATE '2019-08-12')",
        [(2019, 33, 224, 7, 2)],
        "api/sql/#extract",
    ),
    Answer(
        "SELECT date_part('YEAR', TIMESTAMP '2019-08-12 01:00:00.123456'), date_part('week', TIMESTAMP '2019-08-12 "
        "01:00:00.123456'), date_part('doy', DATE '2019-08-12'), datepart('MONTH', DATE '2019-08-12')",
        [(2019, 33, 224, 8)],
        "api/sql/#date_part",
    ),
    Answer(
        "SELECT extract(seconds FROM TIMESTAMP '2019-10-01 00:00:01.000001')",
        [(Decimal("1.000001"),)],
        "api/sql/#extract",
    ),
    Answer(
        "SELECT last_day('2009-01-12'), next_day('2015-01-14', 'TU'), next_day('2024-01-01', 'Monday')",
        [(date(2009, 1, 31), date(2015, 1, 20), date(2024, 1, 8))],
        "api/sql/#last_day",
    ),
    Answer(
        "SELECT to_date('2009-07-30 04:17:52'), to_date('2016-12-31', 'yyyy-MM-dd'), to_date('31/12/2016', "
        "'dd/MM/yyyy'), to_date('Dec 31, 2016', 'MMM d, yyyy')",
        [(date(2009, 7, 30), date(2016, 12, 31), date(2016, 12, 31), date(2016, 12, 31))],
        "api/sql/#to_date",
    ),
    Answer(
        "SELECT to_timestamp('2016-12-31 00:12:00'), to_timestamp('2016-12-31', 'yyyy-MM-dd'), "
        "to_timestamp('31.12.2016 23:59', 'dd.MM.yyyy HH:mm'), try_to_timestamp('foo', 'yyyy-MM-dd')",
        [(_at("2016-12-31 00:12:00"), _at("2016-12-31 00:00:00"), _at("2016-12-31 23:59:00"), None)],
        "api/sql/#to_timestamp",
    ),
    Answer(
        "SELECT unix_timestamp('2016-04-08', 'yyyy-MM-dd'), unix_timestamp('2016-04-08 00:00:10'), "
        "to_unix_timestamp('2016-04-08', 'yyyy-MM-dd'), unix_timestamp(TIMESTAMP '2016-04-08 00:00:00')",
        [(1460073600, 1460073610, 1460073600, 1460073600)],
        "api/sql/#unix_timestamp",
    ),
    Answer(
        "SELECT from_unixtime(0, 'yyyy-MM-dd HH:mm:ss'), from_unixtime(86400)",
        [("1970-01-01 00:00:00", "1970-01-02 00:00:00")],
        "api/sql/#from_unixtime",
    ),
    Answer(
        "SELECT make_date(2013, 7, 15), make_timestamp(2014, 12, 28, 6, 30, 45.887), make_date(2019, 2, NULL)",
        [(date(2013, 7, 15), _at("2014-12-28 06:30:45.887000"), None)],
        "api/sql/#make_date",
    ),
    Answer(
        "SELECT unix_date(DATE('1970-01-02')), date_from_unix_date(1), unix_seconds(TIMESTAMP('1970-01-01 "
        "00:00:01Z')), unix_millis(TIMESTAMP('1970-01-01 00:00:01Z')), unix_micros(TIMESTAMP('1970-01-01 "
        "00:00:01Z'))",
        [(1, date(1970, 1, 2), 1, 1000, 1000000)],
        "api/sql/#unix_date",
    ),
    Answer(
        "SELECT timestamp_seconds(1230219000), timestamp_millis(1230219000123), timestamp_micros(1230219000123123)",
        [(_at("2008-12-25 15:30:00"), _at("2008-12-25 15:30:00.123000"), _at("2008-12-25 15:30:00.123123"))],
        "api/sql/#timestamp_seconds",
    ),
    Answer(
        "SELECT from_utc_timestamp('2016-08-31', 'Asia/Seoul'), to_utc_timestamp('2016-08-31', 'Asia/Seoul')",
        [(_at("2016-08-31 09:00:00"), _at("2016-08-30 15:00:00"))],
        "api/sql/#from_utc_timestamp",
    ),
    Answer(
        "SELECT DATE '2020-01-31' + INTERVAL 1 MONTH, TIMESTAMP '2020-01-01 00:00:00' + INTERVAL 2 HOURS, TIMESTAMP "
        "'2020-01-01 00:00:00' - INTERVAL '1' DAY, DATE '2020-01-01' + 5, DATE '2020-01-01' - 1, TIMESTAMP "
        "'2020-01-01 00:00:00' + INTERVAL 1 DAY 2 HOURS",
        [
            (
                date(2020, 2, 29),
                _at("2020-01-01 02:00:00"),
                _at("2019-12-31 00:00:00"),
                date(2020, 1, 6),
                date(2019, 12, 31),
                _at("2020-01-02 02:00:00"),
            )
        ],
        "sql-ref-literals.html#interval-literal",
    ),
    Answer(
        "SELECT DATE '2021-01-02' > '2021-01-01', DATE '2021-01-02' = TIMESTAMP '2021-01-02 00:00:00', '2' > 1, 1 = "
        "'1'",
        [(True, True, True, True)],
        "sql-ref-ansi-compliance.html",
    ),
    Answer("SELECT '1' + 1, '3' * 2.0D", [(2, 6.0)], "sql-ref-ansi-compliance.html"),
    Answer(
        "SELECT timestampdiff(HOUR, TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP '2020-01-02 01:30:00'), "
        "timestampdiff(MONTH, TIMESTAMP '2021-02-28 12:00:00', TIMESTAMP '2021-03-28 11:59:59'), datediff(DAY, DATE "
        "'2020-01-01', DATE '2020-03-01')",
        [(25, 0, 60)],
        "api/sql/#timestampdiff",
    ),
    Answer(
        "SELECT timestampadd(HOUR, 8, TIMESTAMP '2022-02-11 20:30:00'), dateadd(MONTH, 1, DATE '2022-01-31'), "
        "timestampadd(MONTH, -1, TIMESTAMP '2022-03-31 00:00:00')",
        [(_at("2022-02-12 04:30:00"), _at("2022-02-28 00:00:00"), _at("2022-02-28 00:00:00"))],
        "api/sql/#timestampadd",
    ),
    Answer(
        "SELECT current_date() = current_date, current_timestamp() = now(), datediff(current_date(), "
        "date_sub(current_date(), 7)), year(now()) > 2000, current_timezone() IS NOT NULL",
        [(True, True, 7, True, True)],
        "api/sql/#current_date",
    ),
    Answer(
        "SELECT sequence(1, 5), sequence(5, 1), sequence(1, 10, 3), sequence(to_date('2018-01-01'), "
        "to_date('2018-03-01'), INTERVAL 1 MONTH), sequence(DATE '2018-01-01', DATE '2018-01-03')",
        [
            (
                [1, 2, 3, 4, 5],
                [5, 4, 3, 2, 1],
                [1, 4, 7, 10],
                [date(2018, 1, 1), date(2018, 2, 1), date(2018, 3, 1)],
                [date(2018, 1, 1), date(2018, 1, 2), date(2018, 1, 3)],
            )
        ],
        "api/sql/#sequence",
    ),
    Answer(
        "SELECT window.start, window.end, sum(v) AS total FROM VALUES (TIMESTAMP '2021-01-01 00:00:00', 1), "
        "(TIMESTAMP '2021-01-01 00:04:30', 2), (TIMESTAMP '2021-01-01 00:06:00', 4) AS t(ts, v) GROUP BY window(ts, "
        "'5 minutes') ORDER BY 1",
        [
            (_at("2021-01-01 00:00:00"), _at("2021-01-01 00:05:00"), 3),
            (_at("2021-01-01 00:05:00"), _at("2021-01-01 00:10:00"), 4),
        ],
        "api/sql/#window",
    ),
    Answer(
        "SELECT cast('10' AS int), int('10'), cast(1.9 AS int), cast(-1.9D AS bigint), cast(' 5 ' AS int), "
        "bigint(2.5), double('1.5'), '7'::int",
        [(10, 10, 1, -1, 5, 2, 1.5, 7)],
        "api/sql/#cast",
    ),
    Answer(
        "SELECT cast(1 AS string), string(1.50), cast(true AS string), cast(1.0D AS string), cast(1.5F AS string), "
        "cast(DATE '2020-01-05' AS string), cast(TIMESTAMP '2020-01-05 10:00:00' AS string), cast(TIMESTAMP "
        "'2020-01-05 10:00:00.5' AS string)",
        [("1", "1.50", "true", "1.0", "1.5", "2020-01-05", "2020-01-05 10:00:00", "2020-01-05 10:00:00.5")],
        "api/sql/#string",
    ),
    Answer(
        "SELECT cast(1e10 AS string), cast(1.5e-7D AS string), cast(12345678.9D AS string)",
        [("1.0E10", "1.5E-7", "1.23456789E7")],
        "api/sql/#string",
    ),
    Answer(
        "SELECT try_cast('abc' AS int), try_cast('2020-13-01' AS date), try_cast('12' AS int), cast('yes' AS "
        "boolean), cast('t' AS boolean), cast(0 AS boolean), cast(true AS int)",
        [(None, None, 12, True, True, False, 1)],
        "sql-ref-ansi-compliance.html#cast",
    ),
    Answer(
        "SELECT cast('2020-01-01 10:00:00' AS timestamp), cast(TIMESTAMP '2020-01-01 10:00:00' AS date), cast(DATE "
        "'2020-01-01' AS timestamp), cast('2020-1-5' AS date), cast(TIMESTAMP '1970-01-01 00:01:00' AS bigint), "
        "cast('2020-01-01T10:00:00Z' AS timestamp)",
        [
            (
                _at("2020-01-01 10:00:00"),
                date(2020, 1, 1),
                _at("2020-01-01 00:00:00"),
                date(2020, 1, 5),
                60,
                _at("2020-01-01 10:00:00"),
            )
        ],
        "sql-ref-ansi-compliance.html#cast",
    ),
    Answer(
        "SELECT cast(array(1, 2) AS array<string>), cast(array('1', '2') AS array<int>), cast(named_struct('a', 1) "
        "AS struct<a: string>), cast(map('a', 1) AS map<string, double>)",
        [(["1", "2"], [1, 2], {"a": "1"}, [("a", 1.0)])],
        "sql-ref-ansi-compliance.html#cast",
    ),
    Answer(
        "SELECT cast(array(1, 2) AS string), cast(array('a', NULL) AS string), cast(named_struct('a', 1, 'b', 'x') "
        "AS string), cast(map('k', 1) AS string)",
        [("[1, 2]", "[a, null]", "{1, x}", "{k -> 1}")],
        "sql-ref-ansi-compliance.html#cast",
    ),
    Answer(
        "SELECT typeof(1), typeof('x'), typeof(1.5), typeof(1L), typeof(2.0D), typeof(true), typeof(DATE "
        "'2020-01-01'), typeof(current_timestamp())",
        [("int", "string", "decimal(2,1)", "bigint", "double", "boolean", "date", "timestamp")],
        "api/sql/#typeof",
    ),
    Answer(
        "SELECT typeof(array(1)), typeof(map('a', 1)), typeof(named_struct('a', 1))",
        [("array<int>", "map<string,int>", "struct<a:int>")],
        "api/sql/#typeof",
    ),
    Answer(
        "SELECT array(1, 2, 3), array(1, 2, 3)[0], get(array(1, 2, 3), 0), get(array(1, 2, 3), 3), get(array(1, 2, "
        "3), -1), array('a', NULL), array()",
        [([1, 2, 3], 1, 1, None, None, ["a", None], [])],
        "api/sql/#array",
    ),
    Answer(
        "SELECT element_at(array(1, 2, 3), 2), element_at(array(1, 2, 3), -1), try_element_at(array(1, 2, 3), 5), "
        "element_at(map(1, 'a', 2, 'b'), 2), element_at(map(1, 'a'), 9)",
        [(2, 3, None, "b", None)],
        "api/sql/#element_at",
    ),
    Answer(
        "SELECT array_contains(array(1, 2, 3), 2), array_position(array(312, 773, 708, 708), 708), "
        "array_position(array(1), 9), array_max(array(1, 20, NULL, 3)), array_min(array(1, 20, NULL, 3)), "
        "arrays_overlap(array(1, 2, 3), array(3, 4, 5))",
        [(True, 3, 0, 20, 1, True)],
        "api/sql/#array_contains",
    ),
    Answer(
        "SELECT array_distinct(array(1, 2, 3, NULL, 3)), array_union(array(1, 2, 3), array(1, 3, 5)), "
        "array_intersect(array(1, 2, 3), array(1, 3, 5)), array_except(array(1, 2, 3), array(1, 3, 5))",
        [([1, 2, 3, None], [1, 2, 3, 5], [1, 3], [2])],
        "api/sql/#array_distinct",
    ),
    Answer(
        "SELECT array_join(array('hello', 'world'), ' '), array_join(array('hello', NULL, 'world'), ' '), "
        "array_join(array('hello', NULL, 'world'), ' ', ',')",
        [("hello world", "hello world", "hello , world")],
        "api/sql/#array_join",
    ),
    Answer(
        "SELECT array_remove(array(1, 2, 3, NULL, 3), 3), array_repeat('123', 2), array_append(array('b', 'd'), "
        "'c'), array_prepend(array('b', 'd'), 'a'), array_insert(array(1, 2, 3, 4), 5, 5), array_insert(array(5, 4, "
        "2, 1), -4, 3), array_compact(array(1, 2, 3, NULL))",
        [([1, 2, None], ["123", "123"], ["b", "d", "c"], ["a", "b", "d"], [1, 2, 3, 4, 5], [5, 3, 4, 2, 1], [1, 2, 3])],
        "api/sql/#array_remove",
    ),
    Answer(
        "SELECT arrays_zip(array(1, 2, 3), array(2, 3, 4))",
        [([{"0": 1, "1": 2}, {"0": 2, "1": 3}, {"0": 3, "1": 4}],)],
        "api/sql/#arrays_zip",
    ),
    Answer(
        "SELECT sort_array(array('b', 'd', NULL, 'c', 'a'), true), sort_array(array(3, NULL, 1), false), "
        "sort_array(array(2, 1)), array_sort(array('b', NULL, 'd', 'a'))",
        [([None, "a", "b", "c", "d"], [3, 1, None], [1, 2], ["a", "b", "d", None])],
        "api/sql/#sort_array",
    ),
    Answer(
        "SELECT array_sort(array(5, 6, 1), (left, right) -> CASE WHEN left < right THEN -1 WHEN left > right THEN 1 "
        "ELSE 0 END)",
        [([1, 5, 6],)],
        "api/sql/#array_sort",
    ),
    Answer(
        "SELECT slice(array(1, 2, 3, 4), 2, 2), slice(array(1, 2, 3, 4), -2, 2), flatten(array(array(1, 2), "
        "array(3, 4)))",
        [([2, 3], [3, 4], [1, 2, 3, 4])],
        "api/sql/#slice",
    ),
    Answer(
        "SELECT size(array('b', 'd', 'c', 'a')), size(map('a', 1, 'b', 2)), size(NULL), cardinality(array(1, 2)), "
        "array_size(array('b', 'd', 'c', 'a'))",
        [(4, 2, None, 2, 4)],
        "api/sql/#size",
    ),
    Answer(
        "SELECT map('a', 1, 'b', 2), map('a', 1)['a'], map('a', 1)['z'], map_keys(map(1, 'a', 2, 'b')), "
        "map_values(map(1, 'a', 2, 'b'))",
        [([("a", 1), ("b", 2)], 1, None, [1, 2], ["a", "b"])],
        "api/sql/#map",
    ),
    Answer(
        "SELECT map_entries(map(1, 'a', 2, 'b')), map_from_arrays(array(1.0, 3.0), array('2', '4')), "
        "map_from_entries(array(struct(1, 'a'), struct(2, 'b')))",
        [
            (
                [{"key": 1, "value": "a"}, {"key": 2, "value": "b"}],
                [(Decimal("1.0"), "2"), (Decimal("3.0"), "4")],
                [(1, "a"), (2, "b")],
            )
        ],
        "api/sql/#map_entries",
    ),
    Answer(
        "SELECT map_concat(map(1, 'a', 2, 'b'), map(3, 'c')), map_contains_key(map(1, 'a', 2, 'b'), 1), "
        "map_contains_key(map(1, 'a', 2, 'b'), 3), str_to_map('a:1,b:2,c:3', ',', ':'), str_to_map('a:1,b:2')",
        [([(1, "a"), (2, "b"), (3, "c")], True, False, [("a", "1"), ("b", "2"), ("c", "3")], [("a", "1"), ("b", "2")])],
        "api/sql/#map_concat",
    ),
    Answer(
        "SELECT map_filter(map(1, 0, 2, 2, 3, -1), (k, v) -> k > v), transform_keys(map_from_arrays(array(1, 2, 3), "
        "array(1, 2, 3)), (k, v) -> k + 1), transform_values(map_from_arrays(array(1, 2, 3), array(1, 2, 3)), (k, "
        "v) -> v + 1)",
        [([(1, 0), (3, -1)], [(4, 3), (2, 1), (3, 2)], [(1, 2), (2, 3), (3, 4)])],
        "api/sql/#map_filter",
    ),
    Answer(
        "SELECT named_struct('a', 1, 'b', 2, 'c', 3), named_struct('a', 1, 'b', 'x').b, struct(1, 2, 3)",
        [({"a": 1, "b": 2, "c": 3}, "x", {"col1": 1, "col2": 2, "col3": 3})],
        "api/sql/#named_struct",
    ),
    Answer(
        "SELECT struct(a, b), struct(a AS x), s.b, s.* FROM (SELECT 1 AS a, 'y' AS b, named_struct('a', 2, 'b', "
        "'z') AS s)",
        [({"a": 1, "b": "y"}, {"x": 1}, "z", 2, "z")],
        "api/sql/#struct",
    ),
    Answer(
        "SELECT transform(array(1, 2, 3), x -> x + 1), transform(array(1, 2, 3), (x, i) -> x + i), "
        "transform(array('a', 'b'), x -> upper(x))",
        [([2, 3, 4], [1, 3, 5], ["A", "B"])],
        "api/sql/#transform",
    ),
    Answer(
        "SELECT filter(array(1, 2, 3), x -> x % 2 == 1), filter(array(0, 2, 3), (x, i) -> x > i), filter(array(0, "
        "NULL, 2, 3, NULL), x -> x IS NOT NULL)",
        [([1, 3], [2, 3], [0, 2, 3])],
        "api/sql/#filter",
    ),
    Answer(
        "SELECT exists(array(1, 2, 3), x -> x % 2 == 0), exists(array(1, 2, 3), x -> x % 2 == 10), forall(array(2, "
        "4, 8), x -> x % 2 == 0), forall(array(1, 2, 3), x -> x % 2 == 0)",
        [(True, False, True, False)],
        "api/sql/#exists",
    ),
    Answer(
        "SELECT aggregate(array(1, 2, 3), 0, (acc, x) -> acc + x), aggregate(array(1, 2, 3), 0, (acc, x) -> acc + "
        "x, acc -> acc * 10), reduce(array(1, 2, 3), 0, (acc, x) -> acc + x)",
        [(6, 60, 6)],
        "api/sql/#aggregate",
    ),
    Answer(
        "SELECT zip_with(array(1, 2), array(3, 4), (x, y) -> x + y), zip_with(array('a', 'b', 'c'), array('d', 'e', "
        "'f'), (x, y) -> concat(x, y))",
        [([4, 6], ["ad", "be", "cf"])],
        "api/sql/#zip_with",
    ),
    Answer(
        "SELECT get_json_object('{\"a\":\"b\"}', '$.a'), get_json_object('{\"a\":{\"b\":[10,20]}}', '$.a.b[1]'), "
        "get_json_object('{\"a\":{\"b\":1}}', '$.a'), get_json_object('{\"a\":1}', '$.z')",
        [("b", "20", '{"b":1}', None)],
        "api/sql/#get_json_object",
    ),
    Answer(
        'SELECT from_json(\'{"a":1, "b":0.8}\', \'a INT, b DOUBLE\'), from_json(\'{"a":1, "b":"x"}\', \'a INT, b '
        "STRING').b, from_json('[1,2]', 'array<int>')",
        [({"a": 1, "b": 0.8}, "x", [1, 2])],
        "api/sql/#from_json",
    ),
    Answer(
        "SELECT to_json(named_struct('a', 1, 'b', 2)), to_json(array(named_struct('a', 1, 'b', 2))), "
        "to_json(map('a', named_struct('b', 1))), to_json(array(map('a', 1)))",
        [('{"a":1,"b":2}', '[{"a":1,"b":2}]', '{"a":{"b":1}}', '[{"a":1}]')],
        "api/sql/#to_json",
    ),
    Answer(
        "SELECT json_array_length('[1,2,3,4]'), json_array_length('[1,2,3,{\"f1\":1,\"f2\":[5,6]},4]'), "
        'json_object_keys(\'{"f1":"abc","f2":{"f3":"a", "f4":"b"}}\')',
        [(4, 5, ["f1", "f2"])],
        "api/sql/#json_array_length",
    ),
    Answer(
        "SELECT if(1 < 2, 'a', 'b'), CASE WHEN 1 > 0 THEN 1 WHEN 2 > 0 THEN 2.0 ELSE 1.2 END, CASE 3 WHEN 1 THEN "
        "'one' END, coalesce(NULL, 1, NULL), nvl(NULL, 2), nvl2(NULL, 2, 1), ifnull(NULL, 'x'), nullif(2, 2)",
        [("a", Decimal("1.0"), None, 1, 2, 1, "x", None)],
        "api/sql/#if",
    ),
    Answer(
        "SELECT isnull(1), isnotnull(1), 2 <=> 2, NULL <=> NULL, 1 <=> NULL, equal_null(3, 3), NOT true, !true, 1 "
        "!= 2, 1 <> 1, 1 == 1",
        [(False, True, True, True, False, True, False, False, True, False, True)],
        "api/sql/#isnull",
    ),
    Answer(
        "SELECT NULL = NULL, 5 > NULL, true OR NULL, false OR NULL, true AND NULL, 1 IN (1, NULL), 2 IN (1, NULL), "
        "2 NOT IN (1, NULL), NULL IS NOT DISTINCT FROM NULL",
        [(None, None, True, None, None, True, None, None, True)],
        "sql-ref-null-semantics.html",
    ),
    Answer(
        "SELECT count(*), count(age), sum(age), max(age), avg(age) FROM VALUES ('Joe', 30), ('Marry', NULL), "
        "('Mike', 18), ('Fred', 50), ('Albert', NULL) AS person(name, age) WHERE age > 0 OR age IS NULL",
        [(5, 3, 98, 50, 32.666666666666664)],
        "sql-ref-null-semantics.html",
    ),
    Answer(
        "SELECT md5('Spark'), sha('Spark'), sha1('Spark'), sha2('Spark', 256), sha2('Spark', 0)",
        [
            (
                "8cde774d6f7333752ed72cacddb05126",
                "85f5955f4b27a9a4c2aab6ffe5d7189fc298b92c",
                "85f5955f4b27a9a4c2aab6ffe5d7189fc298b92c",
                "529bc3b07127ecb7e53a4dcf1991d9152c24537d919178022b2c42657f79a26b",
                "529bc3b07127ecb7e53a4dcf1991d9152c24537d919178022b2c42657f79a26b",
            )
        ],
        "api/sql/#md5",
    ),
    Answer("SELECT crc32('Spark')", [(1557323817,)], "api/sql/#crc32"),
    Answer("SELECT hash('Spark', array(123), 2)", [(-1321691492,)], "api/sql/#hash"),
    Answer(
        "SELECT count(*), count(col), count(DISTINCT col), sum(col), avg(col), mean(col), min(col), max(col) FROM "
        "VALUES (NULL), (5), (5), (20) AS tab(col)",
        [(4, 3, 2, 30, 10.0, 10.0, 5, 20)],
        "api/sql/#count",
    ),
    Answer(
        "SELECT count_if(col % 2 = 0), count_if(col IS NULL), sum(DISTINCT col), count(*) FILTER (WHERE col > 1) "
        "FROM VALUES (NULL), (0), (1), (2), (3) AS tab(col)",
        [(2, 1, 6, 2)],
        "api/sql/#count_if",
    ),
    Answer(
        "SELECT bool_and(col), every(col), bool_or(col), any(col), some(col) FROM VALUES (true), (false), (NULL) AS "
        "tab(col)",
        [(False, False, True, True, True)],
        "api/sql/#bool_and",
    ),
    Answer(
        "SELECT collect_list(col), sort_array(collect_set(col)), array_agg(col), size(collect_set(col)) FROM VALUES "
        "(1), (2), (NULL), (1) AS tab(col)",
        [([1, 2, 1], [1, 2], [1, 2, 1], 2)],
        "api/sql/#collect_list",
    ),
    Answer(
        "SELECT first(col), first(col, true), first_value(col) IGNORE NULLS, last(col), last(col, true), first(col "
        "IGNORE NULLS) FROM VALUES (NULL), (5), (20), (NULL) AS tab(col)",
        [(None, 5, 5, None, 20, 5)],
        "api/sql/#first",
    ),
    Answer(
        "SELECT max_by(x, y), min_by(x, y) FROM VALUES ('a', 10), ('b', 50), ('c', 20) AS tab(x, y)",
        [("b", "a")],
        "api/sql/#max_by",
    ),
    Answer(
        "SELECT percentile(col, 0.3), percentile(col, array(0.25, 0.75)), median(col), percentile_cont(0.25) WITHIN "
        "GROUP (ORDER BY col), percentile_disc(0.25) WITHIN GROUP (ORDER BY col) FROM VALUES (0), (10) AS tab(col)",
        [(3.0, [2.5, 7.5], 5.0, 2.5, 0.0)],
        "api/sql/#percentile",
    ),
    Answer(
        "SELECT approx_percentile(col, array(0.5, 0.4, 0.1), 100), percentile_approx(col, 0.5, 100) FROM VALUES "
        "(0), (1), (2), (10) AS tab(col)",
        [([1, 1, 0], 1)],
        "api/sql/#approx_percentile",
    ),
    Answer(
        "SELECT mode(col), approx_count_distinct(col) FROM VALUES (0), (10), (10) AS tab(col)",
        [(10, 2)],
        "api/sql/#mode",
    ),
    Answer(
        "SELECT stddev(col), stddev_samp(col), std(col), stddev_pop(col), variance(col), var_samp(col), "
        "var_pop(col) FROM VALUES (1), (2), (3) AS tab(col)",
        [(1.0, 1.0, 1.0, 0.816496580927726, 1.0, 1.0, 0.6666666666666666)],
        "api/sql/#stddev",
    ),
    Answer(
        "SELECT corr(c1, c2), covar_pop(c1, c2), covar_samp(c1, c2), regr_slope(c1, c2), regr_r2(c1, c2), "
        "regr_count(c1, c2) FROM VALUES (3, 2), (3, 3), (6, 4) AS tab(c1, c2)",
        [(0.8660254037844387, 1.0, 1.5, 1.5, 0.7500000000000001, 3)],
        "api/sql/#corr",
    ),
    Answer(
        "SELECT skewness(col) FROM VALUES (-10), (-20), (100), (1000) AS tab(col)",
        [(1.1135657469022011,)],
        "api/sql/#skewness",
    ),
    Answer(
        "SELECT bit_and(col), bit_or(col), bit_xor(col) FROM VALUES (3), (5) AS tab(col)",
        [(1, 7, 6)],
        "api/sql/#bit_and",
    ),
    Answer(
        "SELECT listagg(col, ', '), string_agg(col, '|') FROM VALUES ('a'), ('b'), ('c') AS tab(col)",
        [("a, b, c", "a|b|c")],
        "api/sql/#listagg",
    ),
    Answer(
        "SELECT listagg(col, ', ') WITHIN GROUP (ORDER BY col DESC), listagg(DISTINCT col, ',') WITHIN GROUP (ORDER "
        "BY col) FROM VALUES ('a'), ('b'), ('c'), ('a') AS tab(col)",
        [("c, b, a, a", "a,b,c")],
        "api/sql/#listagg",
    ),
    Answer(
        "SELECT try_sum(col), try_avg(col), sum(cast(col AS decimal(10, 2))), avg(col * 1.5D) FROM VALUES (5), "
        "(10), (15) AS tab(col)",
        [(30, 10.0, Decimal("30.00"), 15.0)],
        "api/sql/#try_sum",
    ),
    Answer(
        f"SELECT id, sum(quantity) AS sum, max(quantity) AS max FROM {DEALERS} GROUP BY id ORDER BY id",
        [(100, 32, 15), (200, 33, 20), (300, 13, 8)],
        "sql-ref-syntax-qry-select-groupby.html",
    ),
    Answer(
        f"SELECT id, sum(quantity) FROM {DEALERS} GROUP BY 1 ORDER BY 1",
        [(100, 32), (200, 33), (300, 13)],
        "sql-ref-syntax-qry-select-groupby.html",
    ),
    Answer(
        f"SELECT id, sum(quantity) FILTER (WHERE car_model IN ('Honda Civic', 'Honda CRV')) AS `sum(quantity)` FROM "
        f"{DEALERS} GROUP BY id ORDER BY id",
        [(100, 17), (200, 23), (300, 5)],
        "sql-ref-syntax-qry-select-groupby.html",
    ),
    Answer(
        f"SELECT city, car_model, sum(quantity) AS sum FROM {DEALERS} GROUP BY GROUPING SETS ((city, car_model), "
        f"(city), (car_model), ()) ORDER BY city, car_model",
        [
            (None, None, 78),
            (None, "Honda Accord", 33),
            (None, "Honda CRV", 10),
            (None, "Honda Civic", 35),
            ("Dublin", None, 33),
            ("Dublin", "Honda Accord", 10),
            ("Dublin", "Honda CRV", 3),
            ("Dublin", "Honda Civic", 20),
            ("Fremont", None, 32),
            ("Fremont", "Honda Accord", 15),
            ("Fremont", "Honda CRV", 7),
            ("Fremont", "Honda Civic", 10),
            ("San Jose", None, 13),
            ("San Jose", "Honda Accord", 8),
            ("San Jose", "Honda Civic", 5),
        ],
        "sql-ref-syntax-qry-select-groupby.html",
    ),
    Answer(
        f"SELECT city, car_model, sum(quantity) AS sum FROM {DEALERS} GROUP BY city, car_model WITH ROLLUP ORDER BY "
        f"city, car_model",
        [
            (None, None, 78),
            ("Dublin", None, 33),
            ("Dublin", "Honda Accord", 10),
            ("Dublin", "Honda CRV", 3),
            ("Dublin", "Honda Civic", 20),
            ("Fremont", None, 32),
            ("Fremont", "Honda Accord", 15),
            ("Fremont", "Honda CRV", 7),
            ("Fremont", "Honda Civic", 10),
            ("San Jose", None, 13),
            ("San Jose", "Honda Accord", 8),
            ("San Jose", "Honda Civic", 5),
        ],
        "sql-ref-syntax-qry-select-groupby.html",
    ),
    Answer(
        f"SELECT city, grouping(city), grouping_id(city, car_model), sum(quantity) AS sum FROM {DEALERS} WHERE id < "
        f"300 GROUP BY CUBE(city, car_model) ORDER BY city, sum",
        [
            (None, 1, 2, 10),
            (None, 1, 2, 25),
            (None, 1, 2, 30),
            (None, 1, 3, 65),
            ("Dublin", 0, 0, 3),
            ("Dublin", 0, 0, 10),
            ("Dublin", 0, 0, 20),
            ("Dublin", 0, 1, 33),
            ("Fremont", 0, 0, 7),
            ("Fremont", 0, 0, 10),
            ("Fremont", 0, 0, 15),
            ("Fremont", 0, 1, 32),
        ],
        "api/sql/#grouping_id",
    ),
    Answer(
        f"SELECT city, sum(quantity) AS sum FROM {DEALERS} GROUP BY city HAVING sum(quantity) > 15 AND "
        f"max(quantity) > 10 ORDER BY sum DESC",
        [("Dublin", 33), ("Fremont", 32)],
        "sql-ref-syntax-qry-select-having.html",
    ),
    Answer(
        f"SELECT city AS c, count(*) FROM {DEALERS} GROUP BY ALL ORDER BY ALL",
        [("Dublin", 3), ("Fremont", 3), ("San Jose", 2)],
        "sql-ref-syntax-qry-select-groupby.html",
    ),
    Answer(
        f"SELECT name, dept, RANK() OVER (PARTITION BY dept ORDER BY salary) AS rank, DENSE_RANK() OVER (PARTITION "
        f"BY dept ORDER BY salary) AS dense, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY salary, name) AS n FROM "
        f"{EMPLOYEES} ORDER BY dept, n",
        [
            ("Fred", "Engineering", 1, 1, 1),
            ("Chloe", "Engineering", 2, 2, 2),
            ("Tom", "Engineering", 2, 2, 3),
            ("Paul", "Engineering", 4, 3, 4),
            ("Jane", "Marketing", 1, 1, 1),
            ("Jeff", "Marketing", 2, 2, 2),
            ("Lisa", "Sales", 1, 1, 1),
            ("Alex", "Sales", 2, 2, 2),
            ("Evan", "Sales", 3, 3, 3),
        ],
        "sql-ref-syntax-qry-select-window.html",
    ),
    Answer(
        f"SELECT name, CUME_DIST() OVER (PARTITION BY dept ORDER BY age RANGE BETWEEN UNBOUNDED PRECEDING AND "
        f"CURRENT ROW) AS cume_dist, PERCENT_RANK() OVER (PARTITION BY dept ORDER BY age), NTILE(2) OVER (PARTITION "
        f"BY dept ORDER BY age) FROM {EMPLOYEES} ORDER BY name",
        [
            ("Alex", 0.3333333333333333, 0.0, 1),
            ("Chloe", 0.5, 0.3333333333333333, 1),
            ("Evan", 1.0, 1.0, 2),
            ("Fred", 0.75, 0.6666666666666666, 2),
            ("Jane", 0.5, 0.0, 1),
            ("Jeff", 1.0, 1.0, 2),
            ("Lisa", 0.6666666666666666, 0.5, 1),
            ("Paul", 0.25, 0.0, 1),
            ("Tom", 1.0, 1.0, 2),
        ],
        "sql-ref-syntax-qry-select-window.html",
    ),
    Answer(
        f"SELECT name, salary, LAG(salary) OVER (PARTITION BY dept ORDER BY salary, name) AS lag, LEAD(salary, 1, "
        f"0) OVER (PARTITION BY dept ORDER BY salary, name) AS lead FROM {EMPLOYEES} ORDER BY dept, salary, name",
        [
            ("Fred", 21000, None, 23000),
            ("Chloe", 23000, 21000, 23000),
            ("Tom", 23000, 23000, 29000),
            ("Paul", 29000, 23000, 0),
            ("Jane", 29000, None, 35000),
            ("Jeff", 35000, 29000, 0),
            ("Lisa", 10000, None, 30000),
            ("Alex", 30000, 10000, 32000),
            ("Evan", 32000, 30000, 0),
        ],
        "sql-ref-syntax-qry-select-window.html",
    ),
    Answer(
        "SELECT id, v, LEAD(v) IGNORE NULLS OVER w AS lead, LAG(v) IGNORE NULLS OVER w AS lag, NTH_VALUE(v, 2) "
        "IGNORE NULLS OVER w AS nth_value, FIRST_VALUE(v) IGNORE NULLS OVER w AS first_value, LAST_VALUE(v) IGNORE "
        "NULLS OVER w AS last_value FROM VALUES (0, NULL), (1, 'x'), (2, NULL), (3, NULL), (4, 'y'), (5, NULL), (6, "
        "'z'), (7, 'v'), (8, NULL) AS test_ignore_null(id, v) WINDOW w AS (ORDER BY id) ORDER BY id",
        [
            (0, None, "x", None, None, None, None),
            (1, "x", "y", None, None, "x", "x"),
            (2, None, "y", "x", None, "x", "x"),
            (3, None, "y", "x", None, "x", "x"),
            (4, "y", "z", "x", "y", "x", "y"),
            (5, None, "z", "y", "y", "x", "y"),
            (6, "z", "v", "y", "y", "x", "z"),
            (7, "v", None, "z", "y", "x", "v"),
            (8, None, None, "v", "y", "x", "v"),
        ],
        "sql-ref-syntax-qry-select-window.html",
    ),
    Answer(
        f"SELECT name, SUM(salary) OVER (PARTITION BY dept ORDER BY salary, name ROWS BETWEEN 1 PRECEDING AND 1 "
        f"FOLLOWING), AVG(salary) OVER (PARTITION BY dept), MAX(age) OVER () FROM {EMPLOYEES} ORDER BY name",
        [
            ("Alex", 72000, 24000.0, 38),
            ("Chloe", 67000, 24000.0, 38),
            ("Evan", 62000, 24000.0, 38),
            ("Fred", 44000, 24000.0, 38),
            ("Jane", 64000, 32000.0, 38),
            ("Jeff", 64000, 32000.0, 38),
            ("Lisa", 40000, 24000.0, 38),
            ("Paul", 52000, 24000.0, 38),
            ("Tom", 75000, 24000.0, 38),
        ],
        "sql-ref-syntax-qry-select-window.html",
    ),
    Answer(
        "SELECT d, sum(v) OVER (ORDER BY d RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM VALUES "
        "(DATE '2024-01-01', 1), (DATE '2024-01-02', 2), (DATE '2024-01-04', 4) AS t(d, v) ORDER BY d",
        [(date(2024, 1, 1), 1), (date(2024, 1, 2), 3), (date(2024, 1, 4), 4)],
        "sql-ref-syntax-qry-select-window.html",
    ),
    Answer(
        "SELECT a, b FROM (SELECT a, b, row_number() OVER (PARTITION BY a ORDER BY b DESC NULLS LAST) AS rn FROM "
        "VALUES ('A1', 2), ('A1', 1), ('A2', NULL), ('A2', 3) AS tab(a, b)) WHERE rn = 1 ORDER BY a",
        [("A1", 2), ("A2", 3)],
        "api/sql/#row_number",
    ),
    Answer("SELECT explode(array(10, 20))", [(10,), (20,)], "api/sql/#explode"),
    Answer("SELECT explode(map('a', 1, 'b', 2))", [("a", 1), ("b", 2)], "api/sql/#explode"),
    Answer(
        "SELECT id, explode(split(s, ',')) AS part FROM VALUES (1, 'a,b'), (2, 'c') AS t(id, s) ORDER BY id, part",
        [(1, "a"), (1, "b"), (2, "c")],
        "api/sql/#explode",
    ),
    Answer(
        "SELECT id, explode_outer(a) AS x FROM VALUES (1, array(1, 2)), (2, NULL) AS t(id, a) ORDER BY id, x",
        [(1, 1), (1, 2), (2, None)],
        "api/sql/#explode_outer",
    ),
    Answer("SELECT posexplode(array(10, 20))", [(0, 10), (1, 20)], "api/sql/#posexplode"),
    Answer("SELECT inline(array(struct(1, 'a'), struct(2, 'b')))", [(1, "a"), (2, "b")], "api/sql/#inline"),
    Answer("SELECT stack(2, 1, 2, 3)", [(1, 2), (3, None)], "api/sql/#stack"),
    Answer(
        f"SELECT id, c_age, d_age FROM {PERSONS} LATERAL VIEW EXPLODE(ARRAY(30, 60)) tableName AS c_age LATERAL "
        f"VIEW EXPLODE(ARRAY(40, 80)) AS d_age WHERE id < 300 ORDER BY id, c_age, d_age",
        [
            (100, 30, 40),
            (100, 30, 80),
            (100, 60, 40),
            (100, 60, 80),
            (200, 30, 40),
            (200, 30, 80),
            (200, 60, 40),
            (200, 60, 80),
        ],
        "sql-ref-syntax-qry-select-lateral-view.html",
    ),
    Answer(
        f"SELECT c_age, COUNT(1) FROM {PERSONS} LATERAL VIEW EXPLODE(ARRAY(30, 60)) AS c_age LATERAL VIEW "
        f"EXPLODE(ARRAY(40, 80)) AS d_age GROUP BY c_age ORDER BY c_age",
        [(30, 8), (60, 8)],
        "sql-ref-syntax-qry-select-lateral-view.html",
    ),
    Answer(
        f"SELECT * FROM {PERSONS} LATERAL VIEW EXPLODE(ARRAY()) tableName AS c_age",
        [],
        "sql-ref-syntax-qry-select-lateral-view.html",
    ),
    Answer(
        f"SELECT id, c_age FROM {PERSONS} LATERAL VIEW OUTER EXPLODE(ARRAY()) tableName AS c_age ORDER BY id",
        [(100, None), (200, None), (300, None), (400, None)],
        "sql-ref-syntax-qry-select-lateral-view.html",
    ),
    Answer(
        "SELECT id, pos, x FROM VALUES (1, array('a', 'b')), (2, array('c')) AS t(id, xs) LATERAL VIEW "
        "posexplode(xs) p AS pos, x ORDER BY id, pos",
        [(1, 0, "a"), (1, 1, "b"), (2, 0, "c")],
        "sql-ref-syntax-qry-select-lateral-view.html",
    ),
    Answer(
        "SELECT id, k, v FROM VALUES (1, map('a', 1, 'b', 2)) AS t(id, m) LATERAL VIEW explode(m) e AS k, v ORDER BY k",
        [(1, "a", 1), (1, "b", 2)],
        "sql-ref-syntax-qry-select-lateral-view.html",
    ),
    Answer(
        "SELECT t1.c1, s.c3 FROM VALUES (0, 1), (1, 2) AS t1(c1, c2), LATERAL (SELECT c1 + c2 AS c3) AS s ORDER BY 1",
        [(0, 1), (1, 3)],
        "sql-ref-syntax-qry-select-lateral-subquery.html",
    ),
    Answer("SELECT * FROM range(5) ORDER BY id", [(0,), (1,), (2,), (3,), (4,)], "sql-ref-syntax-qry-select-tvf.html"),
    Answer(
        "SELECT id FROM range(5, 10, 2) AS test ORDER BY id", [(5,), (7,), (9,)], "sql-ref-syntax-qry-select-tvf.html"
    ),
    Answer("SELECT * FROM explode(array(10, 20))", [(10,), (20,)], "sql-ref-syntax-qry-select-tvf.html"),
    Answer(
        "SELECT e.id, e.name, d.deptname FROM VALUES (105, 'Chloe', 5), (103, 'Paul', 3), (101, 'John', 1), (104, "
        "'Evan', 4) AS e(id, name, deptno) LEFT JOIN VALUES (3, 'Engineering'), (2, 'Sales'), (1, 'Marketing') AS "
        "d(deptno, deptname) ON e.deptno = d.deptno ORDER BY id",
        [(101, "John", "Marketing"), (103, "Paul", "Engineering"), (104, "Evan", None), (105, "Chloe", None)],
        "sql-ref-syntax-qry-select-join.html",
    ),
    Answer(
        "SELECT id, name, deptname FROM VALUES (103, 'Paul', 3), (101, 'John', 1), (104, 'Evan', 4) AS e(id, name, "
        "deptno) FULL JOIN VALUES (3, 'Engineering'), (2, 'Sales'), (1, 'Marketing') AS d(deptno, deptname) ON "
        "e.deptno = d.deptno ORDER BY id, deptname",
        [(None, None, "Sales"), (101, "John", "Marketing"), (103, "Paul", "Engineering"), (104, "Evan", None)],
        "sql-ref-syntax-qry-select-join.html",
    ),
    Answer(
        "SELECT * FROM VALUES (103, 'Paul', 3), (104, 'Evan', 4) AS e(id, name, deptno) LEFT SEMI JOIN VALUES (3, "
        "'Engineering') AS d(deptno, deptname) ON e.deptno = d.deptno",
        [(103, "Paul", 3)],
        "sql-ref-syntax-qry-select-join.html",
    ),
    Answer(
        "SELECT * FROM VALUES (103, 'Paul', 3), (104, 'Evan', 4) AS e(id, name, deptno) LEFT ANTI JOIN VALUES (3, "
        "'Engineering') AS d(deptno, deptname) ON e.deptno = d.deptno",
        [(104, "Evan", 4)],
        "sql-ref-syntax-qry-select-join.html",
    ),
    Answer(
        "SELECT * FROM VALUES (1, 'a'), (2, 'b') AS x(k, v) JOIN VALUES (1, 'c') AS y(k, w) USING (k)",
        [(1, "a", "c")],
        "sql-ref-syntax-qry-select-join.html",
    ),
    Answer(
        "SELECT * FROM VALUES (1, 'a') AS x(k, v) NATURAL JOIN VALUES (1, 'c') AS y(k, w)",
        [(1, "a", "c")],
        "sql-ref-syntax-qry-select-join.html",
    ),
    Answer(
        "SELECT x.k, y.w FROM VALUES (1), (2) AS x(k) CROSS JOIN VALUES ('c'), ('d') AS y(w) ORDER BY k, w",
        [(1, "c"), (1, "d"), (2, "c"), (2, "d")],
        "sql-ref-syntax-qry-select-join.html",
    ),
    Answer(
        "(SELECT c FROM VALUES (3), (1), (2), (2), (3), (4) AS number1(c)) EXCEPT (SELECT c FROM VALUES (5), (1), "
        "(1), (2) AS number2(c)) ORDER BY c",
        [(3,), (4,)],
        "sql-ref-syntax-qry-select-setops.html",
    ),
    Answer(
        "SELECT c FROM VALUES (3), (1), (2), (2), (3), (4) AS number1(c) MINUS SELECT c FROM VALUES (5), (1), (1), "
        "(2) AS number2(c) ORDER BY c",
        [(3,), (4,)],
        "sql-ref-syntax-qry-select-setops.html",
    ),
    Answer(
        "(SELECT c FROM VALUES (3), (1), (2), (2) AS number1(c)) INTERSECT ALL (SELECT c FROM VALUES (5), (1), (2), "
        "(2) AS number2(c)) ORDER BY c",
        [(1,), (2,), (2,)],
        "sql-ref-syntax-qry-select-setops.html",
    ),
    Answer(
        "SELECT c FROM VALUES (3), (1), (3) AS number1(c) UNION SELECT c FROM VALUES (5), (1) AS number2(c) UNION "
        "ALL SELECT 9 ORDER BY c",
        [(1,), (3,), (5,), (9,)],
        "sql-ref-syntax-qry-select-setops.html",
    ),
    Answer(
        "WITH t(x, y) AS (SELECT 1, 2), t2 AS (SELECT x + y AS z FROM t) SELECT * FROM t, t2 WHERE x = 1 AND y = 2",
        [(1, 2, 3)],
        "sql-ref-syntax-qry-select-cte.html",
    ),
    Answer(
        "SELECT max(c) FROM (WITH t(c) AS (SELECT 1) SELECT * FROM t)", [(1,)], "sql-ref-syntax-qry-select-cte.html"
    ),
    Answer(
        "SELECT name, (SELECT max(v) FROM VALUES (1, 10), (2, 20), (1, 30) AS o(id, v) WHERE o.id = p.id) AS m FROM "
        "VALUES (1, 'a'), (2, 'b'), (3, 'c') AS p(id, name) ORDER BY name",
        [("a", 30), ("b", 20), ("c", None)],
        "sql-ref-syntax-qry-select-subqueries.html",
    ),
    Answer(
        "SELECT name FROM VALUES ('a', 1), ('b', NULL), ('c', 3) AS p(name, age) WHERE EXISTS (SELECT 1 FROM VALUES "
        "(1), (2) AS q(x) WHERE q.x = p.age) OR age IN (SELECT * FROM VALUES (3) AS r(x)) ORDER BY name",
        [("a",), ("c",)],
        "sql-ref-null-semantics.html",
    ),
    Answer(
        "SELECT * FROM VALUES ('one', 1), ('two', 2), ('three', NULL) AS data(a, b) ORDER BY b",
        [("three", None), ("one", 1), ("two", 2)],
        "sql-ref-syntax-qry-select-inline-table.html",
    ),
    Answer("VALUES (1, 'a'), (2, 'b')", [(1, "a"), (2, "b")], "sql-ref-syntax-qry-select-inline-table.html"),
    Answer(
        "SELECT col1, col2 FROM VALUES (1, 'a'), (2, 'b') ORDER BY col1",
        [(1, "a"), (2, "b")],
        "sql-ref-syntax-qry-select-inline-table.html",
    ),
    Answer(
        f"SELECT name, age FROM {PERSONS} ORDER BY age",
        [("Mary", None), ("John", 30), ("Dan", 50), ("Mike", 80)],
        "sql-ref-syntax-qry-select-orderby.html",
    ),
    Answer(
        f"SELECT name, age FROM {PERSONS} ORDER BY age DESC",
        [("Mike", 80), ("Dan", 50), ("John", 30), ("Mary", None)],
        "sql-ref-syntax-qry-select-orderby.html",
    ),
    Answer(
        f"SELECT name, age FROM {PERSONS} ORDER BY age NULLS LAST",
        [("John", 30), ("Dan", 50), ("Mike", 80), ("Mary", None)],
        "sql-ref-syntax-qry-select-orderby.html",
    ),
    Answer(
        f"SELECT name, age FROM {PERSONS} ORDER BY name LIMIT length('SP') OFFSET 1",
        [("John", 30), ("Mary", None)],
        "sql-ref-syntax-qry-select-limit.html",
    ),
    Answer(
        f"SELECT /*+ REPARTITION(1) */ name FROM {PERSONS} DISTRIBUTE BY id SORT BY name DESC",
        [("Mike",), ("Mary",), ("John",), ("Dan",)],
        "sql-ref-syntax-qry-select-sortby.html",
    ),
    Answer(
        f"SELECT * FROM {PERSONS} PIVOT (SUM(age) AS a, AVG(class) AS c FOR name IN ('John' AS john, 'Mike' AS "
        f"mike)) ORDER BY id",
        [
            (100, "Street 1", 30, 1.0, None, None),
            (200, "Street 2", None, None, None, None),
            (300, "Street 3", None, None, 80, 3.0),
            (400, "Street 4", None, None, None, None),
        ],
        "sql-ref-syntax-qry-select-pivot.html",
    ),
    Answer(
        "SELECT * FROM VALUES ('dotNET', 2012, 10000), ('Java', 2012, 20000), ('dotNET', 2012, 5000), ('dotNET', "
        "2013, 48000), ('Java', 2013, 30000) AS courses(course, year, earnings) PIVOT (sum(earnings) FOR course IN "
        "('dotNET', 'Java')) ORDER BY year",
        [(2012, 15000, 20000), (2013, 48000, 30000)],
        "sql-ref-syntax-qry-select-pivot.html",
    ),
    Answer(
        "SELECT * FROM VALUES (2020, 100, 80), (2021, 20, NULL) AS sales(year, q1, q2) UNPIVOT (sales FOR quarter "
        "IN (q1, q2)) ORDER BY year, quarter",
        [(2020, "q1", 100), (2020, "q2", 80), (2021, "q1", 20)],
        "sql-ref-syntax-qry-select-unpivot.html",
    ),
    Answer(
        "SELECT 1, 1, 'a' AS `my column`, 1 AS a, a + 1 AS b", [(1, 1, "a", 1, 2)], "sql-ref-syntax-qry-select.html"
    ),
    Answer(
        "SELECT T.A, `b` AS `B b` FROM (SELECT 1 AS a, 2 AS B) t WHERE t.a = 1 GROUP BY ALL",
        [(1, 2)],
        "sql-ref-identifier.html",
    ),
    Answer("SELECT * EXCEPT (b) FROM VALUES (1, 2, 3) AS t(a, b, c)", [(1, 3)], "sql-ref-syntax-qry-select.html"),
    Answer(
        f"SELECT id, CASE WHEN id > 200 THEN 'bigger' ELSE 'small' END AS size, CASE age WHEN 30 THEN 'thirty' END "
        f"FROM {PERSONS} WHERE name BETWEEN 'D' AND 'Mb' ORDER BY id",
        [(100, "small", "thirty"), (200, "small", None), (400, "bigger", None)],
        "sql-ref-syntax-qry-select-case.html",
    ),
    Answer(
        "WITH orders AS (SELECT * FROM VALUES (1, 'ann', DATE '2024-01-05', 10.50), (2, 'bob', DATE '2024-01-20', "
        "5.25), (3, 'ann', DATE '2024-02-02', 7.00) AS o(id, customer, day, amount)) SELECT date_trunc('MONTH', "
        "day) AS month, count(DISTINCT customer) AS customers, sum(amount) AS total, round(avg(amount), 2) AS mean "
        "FROM orders GROUP BY date_trunc('MONTH', day) ORDER BY month",
        [
            (_at("2024-01-01 00:00:00"), 2, Decimal("15.75"), Decimal("7.88")),
            (_at("2024-02-01 00:00:00"), 1, Decimal("7.00"), Decimal("7.00")),
        ],
        "sql-ref-syntax-qry-select-groupby.html",
    ),
    Answer(
        "SELECT a.k, sum(a.v * coalesce(b.f, 1)) AS total FROM VALUES ('x', 2), ('y', 3), ('x', 4) AS a(k, v) LEFT "
        "JOIN (SELECT k, max(f) AS f FROM VALUES ('x', 10), ('x', 5) AS b(k, f) GROUP BY k) b ON a.k = b.k GROUP BY "
        "a.k ORDER BY total DESC",
        [("x", 60), ("y", 3)],
        "sql-ref-syntax-qry-select-subqueries.html",
    ),
    Answer(
        "SELECT age, count(*) FROM VALUES ('Joe', 30), ('Marry', NULL), ('Mike', 18), ('Fred', 50), ('Albert', "
        "NULL), ('Michelle', 30), ('Dan', 50) AS person(name, age) GROUP BY age ORDER BY age DESC NULLS FIRST",
        [(None, 2), (50, 2), (30, 2), (18, 1)],
        "sql-ref-null-semantics.html",
    ),
    Answer(
        "SELECT substring('abc', 0, 2), substring('abc', -5, 3), substr('abc', 2)",
        [("ab", "a", "bc")],
        "api/sql/#substring",
    ),
    Answer(
        "SELECT d + INTERVAL 1 DAY, d - INTERVAL '1' MONTH, d + 1, datediff(d, DATE '2020-01-01') FROM VALUES (DATE "
        "'2020-01-31') AS t(d)",
        [(date(2020, 2, 1), date(2019, 12, 31), date(2020, 2, 1), 30)],
        "sql-ref-literals.html#interval-literal",
    ),
    Answer("SELECT 7 DIV 2.5, a DIV b, a % b FROM VALUES (-7, 2) AS t(a, b)", [(2, -3, -1)], "api/sql/#div"),
    Answer(
        "SELECT exists(array(1, NULL, 3), x -> x % 2 == 0), forall(array(2, NULL, 8), x -> x % 2 == 0), "
        "forall(array(2, NULL, 3), x -> x % 2 == 0)",
        [(None, None, False)],
        "api/sql/#exists",
    ),
    Answer(
        "SELECT listagg(col), any_value(col) FROM VALUES ('a'), ('b') AS tab(col)", [("ab", "a")], "api/sql/#listagg"
    ),
    Answer(
        "SELECT m[k], xs[i] FROM VALUES (map('q', 8), 'q', array(7, 8), 1) AS t(m, k, xs, i)", [(8, 8)], "api/sql/#map"
    ),
    Answer(
        "SELECT x / (SELECT max(y) FROM VALUES (2), (4) AS u(y)), sum(x) OVER () / count(*) OVER () FROM VALUES (3) "
        "AS t(x)",
        [(0.75, 3.0)],
        "api/sql/#/",
    ),
    Answer(
        "SELECT id, quarter, sales FROM VALUES (1, 10, 20) AS t(id, q1, q2) LATERAL VIEW stack(2, 'q1', q1, 'q2', "
        "q2) s AS quarter, sales ORDER BY quarter",
        [(1, "q1", 10), (1, "q2", 20)],
        "api/sql/#stack",
    ),
    Answer(
        "SELECT id, e.a, e.b FROM VALUES (1, array(struct(5, 'x'))) AS t(id, xs) LATERAL VIEW inline(xs) e AS a, b",
        [(1, 5, "x")],
        "api/sql/#inline",
    ),
    Answer("SELECT monotonically_increasing_id()", [(0,)], "api/sql/#monotonically_increasing_id"),
    Answer("SELECT length(X'537061'), length(12)", [(3, 2)], "api/sql/#length"),
    Answer(
        "SELECT cast(cast(1.9 AS string) AS double), try_cast('1.5' AS int), try_cast(' 7 ' AS int), cast(x AS int) "
        "FROM VALUES ('42') AS t(x)",
        [(1.9, None, 7, 42)],
        "api/sql/#cast",
    ),
    Answer(
        "SELECT p.x.y, p.x.z[0] FROM (SELECT named_struct('y', 1, 'z', array(2)) AS x) p",
        [(1, 2)],
        "sql-ref-syntax-qry-select.html",
    ),
    Answer(
        "SELECT x.y.z FROM (SELECT named_struct('y', named_struct('z', 1)) AS x)",
        [(1,)],
        "sql-ref-syntax-qry-select.html",
    ),
    Answer("SELECT 1 / 0", [], "api/sql/#/", error="DIVIDE_BY_ZERO"),
    Answer("SELECT a DIV b FROM VALUES (1, 0) AS t(a, b)", [], "api/sql/#/", error="DIVIDE_BY_ZERO"),
    Answer("SELECT 1 % 0", [], "api/sql/#%", error="DIVIDE_BY_ZERO"),
    Answer("SELECT cast('abc' AS int)", [], "sql-ref-ansi-compliance.html#cast", error="CAST_INVALID_INPUT"),
    Answer("SELECT cast('1.5' AS int)", [], "sql-ref-ansi-compliance.html#cast", error="CAST_INVALID_INPUT"),
    Answer("SELECT cast('2020-13-01' AS date)", [], "sql-ref-ansi-compliance.html#cast", error="CAST_INVALID_INPUT"),
    Answer("SELECT cast(3000000000 AS int)", [], "sql-ref-ansi-compliance.html#cast", error="CAST_OVERFLOW"),
    Answer(
        "SELECT 2147483647 + 1", [], "sql-ref-ansi-compliance.html#arithmetic-operations", error="ARITHMETIC_OVERFLOW"
    ),
    Answer("SELECT array(1, 2, 3)[5]", [], "sql-ref-ansi-compliance.html#sql-functions", error="INVALID_ARRAY_INDEX"),
    Answer(
        "SELECT element_at(array(1, 2, 3), 5)", [], "api/sql/#element_at", error="INVALID_ARRAY_INDEX_IN_ELEMENT_AT"
    ),
    Answer("SELECT to_date('foo', 'yyyy-MM-dd')", [], "api/sql/#to_date", error="CANNOT_PARSE_TIMESTAMP"),
    Answer(
        "SELECT b FROM (SELECT 1 AS a)", [], "sql-error-conditions.html#unresolved_column", error="UNRESOLVED_COLUMN"
    ),
    Answer(
        "SELECT t.z FROM VALUES (1) AS t(a)",
        [],
        "sql-error-conditions.html#unresolved_column",
        error="UNRESOLVED_COLUMN",
    ),
    Answer(
        "SELECT no_such_function(1)", [], "sql-error-conditions.html#unresolved_routine", error="UNRESOLVED_ROUTINE"
    ),
    Answer(
        "SELECT list_sort(array(1))", [], "sql-error-conditions.html#unresolved_routine", error="UNRESOLVED_ROUTINE"
    ),
    Answer("SELECT getenv('HOME')", [], "sql-error-conditions.html#unresolved_routine", error="UNRESOLVED_ROUTINE"),
    Answer(
        "SELECT * FROM read_csv('/etc/passwd')",
        [],
        "sql-error-conditions.html#unresolvable_table_valued_function",
        error="UNRESOLVABLE_TABLE_VALUED_FUNCTION",
    ),
    Answer(
        "SELECT * FROM no_such_table",
        [],
        "sql-error-conditions.html#table_or_view_not_found",
        error="TABLE_OR_VIEW_NOT_FOUND",
    ),
    Answer("SELECT (1 + 2", [], "sql-error-conditions.html#parse_syntax_error", error="PARSE_SYNTAX_ERROR"),
    Answer("SELEC 1", [], "sql-error-conditions.html#parse_syntax_error", error="PARSE_SYNTAX_ERROR"),
    Answer("SELECT raise_error('custom error message')", [], "api/sql/#raise_error", error="USER_RAISED_EXCEPTION"),
    Answer(
        "SELECT a, sum(b) FROM VALUES (1, 2) AS t(a, b)",
        [],
        "sql-error-conditions.html#missing_aggregation",
        error="MISSING_GROUP_BY",
    ),
)
