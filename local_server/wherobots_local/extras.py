"""How to install the optional packages. The environment is named, because users often have several."""

import sys

SQL = f"pip install 'wherobots-local[sql]' in the server's environment, {sys.prefix}"
SPARK = f"pip install 'wherobots-local[spark]' in the server's environment, {sys.prefix}"
