#!/usr/bin/env bash
# Fuzzes everything that reads a stranger's bytes, each target for FUZZ_SECONDS (60) in either arithmetic, seeded from the
# tests' samples. Called by `make fuzz`. What is found lies in fuzz/artifacts of the target's crate and becomes a test.
#
# The arithmetics: with checks of overflow and of debug assertions, as tests and the local stack have them, and without, as
# what is deployed. A find of the first alone is a sum that the second gets wrong, or right by luck. FUZZ_ARITHMETIC
# (checked, deployed) chooses one.
#
# With a nightly toolchain the address sanitizer watches the C codecs' callers; on stable the coverage alone guides.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../shared"
shopt -s nullglob
seconds=${FUZZ_SECONDS:-60}
cargo_fuzz=0.13.2

cargo fuzz --version >/dev/null 2>&1 || env -u CARGO_BUILD_TARGET cargo install --locked "cargo-fuzz@$cargo_fuzz"
if rustup toolchain list 2>/dev/null | grep -q ^nightly; then
  fuzz=(cargo +nightly fuzz) sanitizer=address
else
  fuzz=(cargo fuzz) sanitizer=none
fi

home() { # TARGET: the crate that it is a target of
  if [ "$1" = codec ]; then echo jpeg; else echo media; fi
}

seed() { # TARGET FILE...: small samples only, mutations of large ones find little
  local target=$1 corpus file; shift
  corpus=$(home "$target")/fuzz/corpus/$target
  mkdir -p "$corpus"
  for file in "$@"; do
    [ "$(stat -c %s "$file")" -gt 262144 ] || cp -n "$file" "$corpus/seed-$(basename "$file")"
  done
}
samples=media/tests/data
seed codec $samples/*.jpg
seed sniff $samples/heads/* $samples/*.*
seed metadata $samples/*.jpg $samples/*.png $samples/*.webp $samples/*.tif $samples/heads/*.heic $samples/heads/*.avif
seed jpeg $samples/*.jpg
seed png $samples/*.png
seed gif_webp $samples/*.gif $samples/*.webp
seed tiff_bmp $samples/*.tif $samples/*.bmp
seed heif $samples/*.heic $samples/*.avif
seed svg $samples/*.svg
seed raw $samples/*.tif $samples/*.jpg
seed agree_jpeg $samples/*.jpg
seed agree_png $samples/*.png
seed agree_tiff $samples/*.tif
seed agree_gif_webp $samples/*.gif $samples/*.webp

targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(codec sniff metadata jpeg png gif_webp tiff_bmp heif svg raw via_image
  agree_jpeg agree_png agree_tiff agree_gif_webp)
failed=()
run() { # TARGET ARITHMETIC
  local target=$1 arithmetic=$2 checks=true
  [ "$arithmetic" = checked ] || checks=false
  echo "==> fuzzing $target for $seconds s, $arithmetic arithmetic"
  (cd "$(home "$target")" &&
    CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=$checks CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=$checks \
    "${fuzz[@]}" run --sanitizer "$sanitizer" "$target" -- \
    -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=262144 -print_final_stats=1 2>&1) |
    { grep -E "^(stat::(number_of_executed_units|average_exec_per_sec|new_units_added)|==|error|SUMMARY|artifact_prefix|thread|.*panicked)" || true; } ||
    failed+=("$target ($arithmetic)")
}
# One arithmetic after the other: each is built once.
for arithmetic in ${FUZZ_ARITHMETIC:-checked deployed}; do
  for target in "${targets[@]}"; do run "$target" "$arithmetic"; done
done
[ ${#failed[@]} = 0 ] || { echo "finds in: ${failed[*]}" >&2; exit 1; }
