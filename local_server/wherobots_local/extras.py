"""How to install what only some runs and sessions need. The environment is named: a reader may have several."""

import sys

SQL = f"pip install 'wherobots-local[sql]' in the server's environment, {sys.prefix}"
SPARK = f"pip install 'wherobots-local[spark]' in the server's environment, {sys.prefix}"
