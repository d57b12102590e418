#!/usr/bin/env bash
# Builds the wheels of both packages, and nothing else, into a folder: dev/wheels.sh VENV FOLDER
# VENV has hatchling, from a lock.
set -euo pipefail

python=$PWD/$1/bin/python folder=$PWD/$2
rm -rf "$folder"
"$python" -m hatchling build --target wheel --directory "$folder" > /dev/null
(cd local_server && "$python" -m hatchling build --target wheel --directory "$folder" > /dev/null)
