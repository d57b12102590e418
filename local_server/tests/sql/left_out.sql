# Spark reads these, and DuckDB has nothing like them, or something that differs.
UPDATE fields SET s.x = 99
MERGE INTO fields f USING (SELECT 1 AS x) n ON f.x = n.x WHEN MATCHED THEN UPDATE SET s.x = 99
ALTER TABLE fields DROP COLUMN s.x
ALTER TABLE fields RENAME COLUMN s.x TO y
ALTER TABLE fields ADD COLUMN (s.z INT)
ALTER TABLE fields ADD COLUMN first INT FIRST
ALTER TABLE fields ADD COLUMN late INT AFTER x
ALTER TABLE fields ADD COLUMN g GEOMETRY(4326)
TRUNCATE TABLE fields PARTITION (x = 1)
CREATE TABLE by_more (a INT) PARTITIONED BY (b STRING)
CREATE TABLE of_chars (a ARRAY<CHAR(3)>)
CREATE TABLE made (a INT DEFAULT 1)
TABLE fields
SELECT 1 = ANY (SELECT 1)
SELECT 'x' LIKE ANY ('x', 'y') ESCAPE '!'
SELECT sum(1) IGNORE NULLS FROM fields
SELECT 'x' 'y'
SELECT * FROM csv.`s3://bucket/in.csv`
SET spark.sql.sources.partitionOverwriteMode = dynamic
CREATE TABLE there (a INT) LOCATION 's3://bucket/there'
SELECT * FROM fields TABLESAMPLE (10 PERCENT) REPEATABLE (1)
ALTER TABLE fields ALTER COLUMN x FIRST
SELECT x FROM fields QUALIFY row_number() OVER (ORDER BY x) = 1
SELECT x FROM fields VERSION AS OF 1
SELECT * FROM fields PIVOT (collect_list(x) FOR x IN (1))
DELETE FROM fields USING fields f WHERE true
INSERT INTO fields REPLACE WHERE x = 1 SELECT 1, named_struct('x', 1)
SET spark.sql.session.timeZone = 'Asia/Tokyo'
SET spark.sql.ansi.enabled = false
DROP TABLE fields PIVOT (sum(x) FOR x IN (1))
DELETE FROM fields PIVOT (sum(x) FOR x IN (1))
INSERT INTO fields PIVOT (sum(x) FOR x IN (1)) SELECT 1, named_struct('x', 1)
SELECT * FROM fields a JOIN fields b PIVOT (sum(x) FOR x IN (1))
