#!/usr/bin/env bash
# Installs what the engine is compared with, where this machine lacks it, and compares.
# run.sh PROGRAM FOLDER: the release build of shared/media's example `corpus`, and the files. Called by the Makefile.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv

if ! cmp -s "$here/requirements.txt" "$venv/.installed"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/.installed"
fi

exec "$venv/bin/python" "$here/corpus.py" "$1" "$2"
