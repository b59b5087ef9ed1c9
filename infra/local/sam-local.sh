#!/usr/bin/env bash
# Every function with every one of its events by the real `sam local invoke`: no AWS account, no image registry.
# Called by `make sam-local`.
#
# SAM runs functions in containers, so a container engine is needed. One that answers is used as it is; otherwise
# Debian's docker.io is installed and its daemon run for as long as this takes (that needs root, or sudo). The image is
# made here, of Debian's own C library: it proves packaging, configuration, the runtime protocol and the events, not
# Amazon Linux itself.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$here/.state/sam-local
port=${SLUICE_SAM_LOCAL_PORT:-4599}
root=$work/rootfs
engine=

die() { echo "error: $*" >&2; exit 1; }
say() { printf '==> [%4ds] %s\n' "$SECONDS" "$*"; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

stop_engine() {
  [ -n "$engine" ] || return 0
  as_root kill "$engine" 2>/dev/null || true
  while as_root kill -0 "$engine" 2>/dev/null; do sleep 0.1; done
}
trap stop_engine EXIT
trap 'exit 130' INT TERM

install_packages() {
  command -v apt-get >/dev/null || die "please install a container engine (docker)"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

start_engine() {
  docker info >/dev/null 2>&1 && return
  if ! [ -x /usr/sbin/dockerd ]; then
    say "installing docker.io"
    install_packages docker.io iptables
  fi
  say "starting a container engine"
  export DOCKER_HOST=unix://$work/docker.sock
  rm -f "$work/dockerd.pid"
  as_root setsid /usr/sbin/dockerd --host "$DOCKER_HOST" --group "$(id -g)" --pidfile "$work/dockerd.pid" \
    --data-root "$work/docker" --exec-root "$work/docker-exec" >"$work/dockerd.log" 2>&1 &
  for _ in $(seq 300); do
    if docker info >/dev/null 2>&1; then
      engine=$(<"$work/dockerd.pid")
      return
    fi
    kill -0 $! 2>/dev/null || break
    sleep 0.2
  done
  tail -n 5 "$work/dockerd.log" >&2
  die "no container engine runs on this machine, and sam local needs one: see $work/dockerd.log"
}

# SAM adds its own layer to the image (the runtime interface emulator) and runs mv and chmod for it.
make_image() {
  docker image inspect "$1" >/dev/null 2>&1 && return
  say "making the base image"
  rm -rf "$root" "$work/packages"
  mkdir -p "$root" "$work/packages"
  local packages=(libc6 libgcc-s1 busybox-static)
  (cd "$work/packages" && apt-get download -qq "${packages[@]}" 2>/dev/null) ||
    { as_root apt-get update -qq && (cd "$work/packages" && apt-get download -qq "${packages[@]}"); }
  local package
  for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$root"; done
  local tool
  for tool in sh mv chmod; do ln -sf busybox "$root/bin/$tool"; done
  rm -rf "$root"/usr/share "$root"/usr/lib/*/gconv
  mkdir -p "$root"/{tmp,opt,proc,sys,dev,var/task,var/rapid,var/runtime,etc/ssl/certs}
  chmod 1777 "$root/tmp"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  # SAM passes on only variables that the template names; the emulator's address is none of those.
  tar -C "$root" -c . | docker import --change 'WORKDIR /var/task' --change "ENV AWS_ENDPOINT_URL=$2" \
    --change 'ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime PATH=/usr/local/bin:/usr/bin:/bin' \
    - "$1" >/dev/null
  rm -rf "$root" "$work/packages"
}

# The containers' way to this machine, an address that nothing outside of it reaches: that of the bridge. Some engines name
# it nowhere before they made the bridge; its device then has it. Without it there is nothing to bind to, and an empty
# address would mean all of them.
bridge_address() {
  local found
  found=$(docker network inspect bridge --format '{{range .IPAM.Config}}{{.Gateway}} {{end}}' 2>/dev/null |
    tr ' ' '\n' | grep -m 1 -E '^[0-9]+(\.[0-9]+){3}$') ||
    found=$(ip -4 -oneline address show docker0 2>/dev/null | sed -n 's/.* inet \([0-9.]*\)\/.*/\1/p' | head -n 1)
  [ -n "$found" ] || die "the container engine has no bridge: \`docker network inspect bridge\` names no address of it"
  python3 -c 'import socket, sys; socket.socket().bind((sys.argv[1], 0))' "$found" 2>/dev/null ||
    die "the bridge's address $found isn't one of this machine's yet: start any container once, so that the bridge is made"
  echo "$found"
}

mkdir -p "$work"
start_engine
gateway=$(bridge_address)
image=sluice/sam-local-${gateway//./-}-$port:base
make_image "$image" "http://$gateway:$port"
export PYTHONPATH=$here SLUICE_STATE=$work
"$here/.venv/bin/python" "$here/sam_local.py" --image "$image" --host "$gateway" --port "$port"
