"""From the SQL of the service (Spark, Sedona) to that of SedonaDB (DataFusion). Pure: text in, statements out."""
