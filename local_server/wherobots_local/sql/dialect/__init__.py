"""Translates SQL of the service (Spark, Sedona) to DuckDB, with sqlglot. Pure: text in, text out."""
