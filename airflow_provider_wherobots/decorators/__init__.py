"""The decorator ``@task.wherobots``."""
