#!/usr/bin/env bash
# Known faults of the crates that are depended on, by the database of RustSec. An advisory fails it. Where the database
# can't be fetched, the copy that an earlier run fetched is asked; where there is none either, it says so and fails
# nothing: being offline is no fault of the project. Called by `make check`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
copies=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs

if ! said=$(cargo deny fetch db 2>&1); then
  if [ -z "$(find "$copies" -mindepth 2 -maxdepth 2 -name .git 2>/dev/null)" ]; then
    echo "warning: NOT CHECKED for advisories: the database can't be fetched, and no copy is here" >&2
    tail -n 2 <<<"$said" >&2
    exit 0
  fi
  echo "warning: the database of advisories can't be fetched; its copy in $copies is asked" >&2
fi
cargo deny --offline check advisories
