#!/usr/bin/env bash
# Every test, on a stack of its own: a free port and an empty state folder, so that it meets neither `make up` nor an
# earlier run. Called by `make test`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
export PYTHONPATH=$here
python=$here/.venv/bin/python

export SLUICE_STATE=$here/.state/test SLUICE_OUTPUTS=$here/.state/test/outputs.json
"$python" -m stack down >/dev/null   # left over from a run that was killed
rm -rf "$SLUICE_STATE"
SLUICE_PORT=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export SLUICE_PORT SLUICE_TEST_ENDPOINT=http://127.0.0.1:$SLUICE_PORT
trap '"$python" -m stack down >/dev/null' EXIT

"$python" -m stack start
echo "==> unit, property and contract tests"
cargo test --workspace
"$python" -m stack up --no-sample
echo "==> end-to-end tests"
"$python" -m pytest infra/e2e "$@"
"$python" -m pytest infra/e2e -n 0 -m alone
