#!/usr/bin/env bash
# The load test, on a stack of its own: a free port and an empty state folder. Called by the Makefile; COUNT and SEED.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
local=$here/../../local
python=$local/.venv/bin/python
export PYTHONPATH=$local:$here/../../e2e:$here/..
export SLUICE_STATE=$here/.state SLUICE_OUTPUTS=$here/.state/outputs.json

# Each owner has a quota; and a file in parts need not be large.
quota=$((4 << 30))
export SLUICE_PARAMETERS="{\"MaxOpenUploads\": 100, \"MaxStoredBytes\": $quota, \"DirectLimitBytes\": 5242880}"

"$python" -m stack down >/dev/null   # left over from a run that was killed
rm -rf "$SLUICE_STATE"
SLUICE_PORT=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export SLUICE_PORT
trap '"$python" -m stack down >/dev/null; [ -n "${KEEP:-}" ] || rm -rf "$SLUICE_STATE"' EXIT
"$python" -m stack up --no-sample
"$python" -m load.run --count "${COUNT:-1000}" --seed "${SEED:-1}" --quota "$quota"
