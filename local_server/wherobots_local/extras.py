"""The commands that install what only some runs and sessions need."""

SQL = "pip install 'wherobots-local[sql]'"
SPARK = "pip install 'wherobots-local[spark]'"
