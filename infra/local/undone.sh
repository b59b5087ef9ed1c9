#!/usr/bin/env bash
# Proof that the simulator bites: undoes one mend of the product after another (the patches of
# shared/testing/tests/simulator/undone) and has the simulator find each within SEEDS (20000) seeds. Called by
# `make simulate-undone`; names given to the script are those patches only, by the beginning of their names:
# `infra/local/undone.sh 01 07`.
#
# First it tries as many seeds with nothing undone. What breaks there proves nothing of a patch: it is passed over by its
# kind, whatever the seed, and named; the run fails then, for a promise that is broken anyway hides what a mend is for.
#
# Found is what the seeds find, or the tests beside them that are exhaustive: every crash, every lost answer.
#
# It works in a git worktree of its own, as the checkout is with what isn't committed, so an interrupted run leaves nothing
# undone behind, and builds in a folder of its own, so that nothing of the checkout is built again after it. There is no
# debug information in it, which would be the most of its size; without it a panic still names its line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shopt -s nullglob
folder=$PWD/shared/testing/tests/simulator/undone
seeds=${SEEDS:-20000}
place=${CARGO_TARGET_DIR:-$PWD/target}/undone
export CARGO_TARGET_DIR=$place/target CARGO_PROFILE_DEV_DEBUG=0
export SEEDS=$seeds
unset SEED INVARIANT KNOWN

patches=()
[ $# -gt 0 ] || set -- ""
for name in "$@"; do
  chosen=("$folder/$name"*.patch)
  [ ${#chosen[@]} -gt 0 ] || { echo "no patch begins with '$name' in $folder" >&2; exit 2; }
  patches+=("${chosen[@]}")
done

# always the same place, so that only what a patch touches is built again
tree=$place/tree
log=$(mktemp)
forget() {
  rm -f "$log"
  git worktree remove --force "$tree" 2>/dev/null || true
}
trap forget EXIT
trap 'exit 130' INT TERM
git worktree prune
git worktree remove --force "$tree" 2>/dev/null || true
base=$(git stash create)
git worktree add --quiet --detach "$tree" "${base:-HEAD}"

row() { printf '%-48s | %-9s | %-52s | %s\n' "$@"; }
simulate() { # NAME=VALUE...
  (cd "$tree" && env "$@" cargo test --quiet -p sluice-testing --test simulator -- --nocapture) >"$log" 2>&1
}

missed=0
row mend invariant kind seed
simulate TABLE=1 || { tail -n 20 "$log" >&2; exit 1; }
known=$(sed -nE $'s/^ *[0-9]+ × +([0-9]+): (.*); first in seed ([0-9]+):.*/\\1\t\\2\t\\3/p' "$log")
if [ -n "$known" ]; then
  while IFS=$'\t' read -r invariant kind seed; do
    row "(nothing undone)" "$invariant" "$kind" "$seed"
  done <<<"$known"
  missed=1
fi
known=$(cut -f 1,2 <<<"$known")
for patch in "${patches[@]}"; do
  mend=$(basename "$patch" .patch)
  if ! git -C "$tree" apply "$patch"; then
    row "$mend" - "THE PATCH DOESN'T APPLY" -
    missed=1
    continue
  fi
  simulate FIRST=1 KNOWN="$known" || true
  # the seeds' own, or where they find nothing that of what is exhaustive
  answer=$(grep -aE $'^found\t' "$log" || grep -aE $'^otherwise\t' "$log" || grep -aE $'^nothing\t' "$log" || true)
  answer=${answer%%$'\n'*}
  case $answer in
    found* | otherwise*) IFS=$'\t' read -r _ invariant kind seed <<<"$answer"; row "$mend" "$invariant" "$kind" "$seed" ;;
    nothing*) row "$mend" - "NOT FOUND" "$seeds tried"; missed=1 ;;
    *) row "$mend" - "DOESN'T BUILD OR RUN" -; tail -n 20 "$log" >&2; missed=1 ;;
  esac
  git -C "$tree" apply --reverse "$patch"
done
exit $missed
