# Statements that reach for files, settings, memory or another process, one of each kind.
SELECT * FROM (`/etc/passwd.csv`)
SELECT * FROM `file:///etc/passwd`
SELECT * FROM parquet.`http://127.0.0.1:1/x.parquet`
SELECT * FROM parquet.`s3://../../etc/passwd`
SELECT * FROM parquet.`s3://.wherobots-local/sql`
SELECT * FROM '/etc/passwd'
SELECT * FROM "/etc/passwd"
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM st_read('/etc/passwd')
SELECT * FROM query('SELECT 1')
SELECT * FROM duckdb_secrets()
SELECT getenv('HOME')
SELECT system.main.getenv('HOME')
SELECT spark.read_text('/etc/passwd')
SELECT current_setting('memory_limit')
SELECT spark._refuse(true, 'a', 1)
SELECT * FROM information_schema.tables
SELECT * FROM duckdb_tables
SELECT * FROM system.main.duckdb_tables
SELECT * FROM spark.t
SELECT * FROM temp.main.x
COPY t TO '/tmp/x.csv'
ATTACH '/tmp/x.db' AS y
DETACH warehouse
INSTALL httpfs
LOAD '/tmp/x.duckdb_extension'
EXPORT DATABASE '/tmp/x'
RESET lock_configuration
PRAGMA version
CHECKPOINT
CALL pragma_version()
CREATE MACRO f(a) AS a
CREATE FUNCTION f(a INT) RETURNS INT RETURN a
CREATE OR REPLACE MACRO spark.st_point(a, b) AS a
CREATE SECRET (TYPE s3)
CREATE SEQUENCE s
CREATE TYPE x AS INT
PREPARE q AS SELECT * FROM read_text('/etc/passwd')
EXPLAIN COPY (SELECT 1) TO '/tmp/x.csv'
EXPLAIN SELECT * FROM read_text('/etc/passwd')
CREATE VIEW v AS SELECT * FROM read_text('/etc/passwd')
CREATE TABLE x AS SELECT * FROM read_text('/etc/passwd')
CREATE TABLE x (a INT) LOCATION '/etc'
CREATE TABLE x USING csv OPTIONS (path '/etc/passwd')
CREATE TEMPORARY VIEW v USING csv OPTIONS (path '/etc/passwd')
INSERT INTO x SELECT * FROM read_text('/etc/passwd')
INSERT OVERWRITE DIRECTORY '/tmp/x' USING csv SELECT 1
LOAD DATA LOCAL INPATH '/etc/passwd' INTO TABLE x
ADD JAR '/tmp/x.jar'
DROP SCHEMA spark
DROP SCHEMA `~s1`
DROP TABLE `~s1`.v
USE spark
BEGIN
SELECT * FROM VALUES (1) t LIMIT (SELECT count(*) FROM read_text('/etc/passwd'))
SELECT (SELECT content FROM read_text('/etc/passwd'))
SELECT transform(array('/etc/passwd'), x -> read_text(x))
WITH q AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM q
FROM read_text('/etc/passwd')
FROM '/etc/passwd' SELECT *
SUMMARIZE t
DESCRIBE read_text('/etc/passwd')
PIVOT '/etc/passwd' ON x
SELECT * FROM t POSITIONAL JOIN '/etc/passwd'
SELECT COLUMNS('.*') FROM duckdb_settings()
SELECT * FROM json_execute_serialized_sql('x')
SELECT * FROM LATERAL read_text('/etc/passwd')
SELECT * FROM range(1) LATERAL VIEW read_text('/etc/passwd') x AS y
SELECT * FROM TABLE(read_text('/etc/passwd'))
MERGE INTO t USING read_text('/etc/passwd') s ON true WHEN MATCHED THEN DELETE
MERGE INTO t USING '/etc/passwd' s ON true WHEN MATCHED THEN DELETE
UPDATE t SET a = (SELECT content FROM read_text('/etc/passwd'))
DELETE FROM t WHERE a IN (SELECT content FROM read_text('/etc/passwd'))
DELETE FROM '/etc/passwd'
COMMENT ON TABLE t IS 'x'
SELECT $1
SELECT @x
