"""From the SQL of the service (Spark, Sedona) to that of DuckDB, by sqlglot. Pure: text in, text out."""
