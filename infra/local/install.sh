#!/usr/bin/env bash
# Installs what the local stack needs and this machine lacks. Idempotent; called by `make`, not by hand.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv

die() { echo "error: $*" >&2; exit 1; }

command -v python3 >/dev/null || die "python3 (3.11 or newer) is needed"
command -v cargo >/dev/null || die "Rust is needed: https://rustup.rs"

# Debian's python3 comes without ensurepip; Rust's linker and the C codecs need a C compiler.
packages=()
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
command -v cc >/dev/null || packages+=(build-essential)
[ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
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
touch "$venv/.installed"
