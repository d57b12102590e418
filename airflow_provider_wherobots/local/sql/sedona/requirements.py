"""What the child's virtual environment contains."""

REQUIREMENTS = ("sedonadb==0.5.0", "pyarrow==26.0.1", "pyproj==3.7.2")
"""As pip takes them. SedonaDB knows coordinate reference systems through the PROJ of pyproj."""
