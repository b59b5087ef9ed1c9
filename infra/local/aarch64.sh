#!/usr/bin/env bash
# On aarch64, which is what Lambda's Graviton processors run and what is deployed unless told otherwise: the tests of the
# image engine's vector code, and every function from its start to its first request for an invocation. Cross-built, and run
# under qemu-user. Called by `make check`; FUNCTIONS names some of them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
target=aarch64-unknown-linux-gnu
runner=

test_and_start() {
  cargo test --target "$target" --package sluice-jpeg --package sluice-pixels --package sluice-media --lib
  local names
  names=${FUNCTIONS:-$(ls functions)}
  echo "==> every function, linked for $target and started"
  # shellcheck disable=SC2046,SC2086
  cargo build --target "$target" $(printf -- ' --package sluice-%s' $names)
  # shellcheck disable=SC2086
  PYTHONPATH=$here "$here/.venv/bin/python" "$here/starts.py" \
    "${CARGO_TARGET_DIR:-target}/$target/debug" --runner "$runner" $names
}

if [ "$(uname -m)" = aarch64 ]; then
  test_and_start
  exit
fi

packages=()
command -v aarch64-linux-gnu-gcc >/dev/null || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
command -v qemu-aarch64-static >/dev/null || packages+=(qemu-user-static)
if [ ${#packages[@]} -gt 0 ]; then
  sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
  echo "==> installing ${packages[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
rustup target list --installed | grep -qx "$target" || rustup target add "$target"

export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
runner="qemu-aarch64-static -L /usr/aarch64-linux-gnu"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$runner
test_and_start
