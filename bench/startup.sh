#!/usr/bin/env bash
# Start-up: `windlass --version` and `windlass check` of a runbook beside `git --version`, in one run. Also the size
# of the stripped binary. Needs hyperfine and git (installed with apt when missing).
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
apt_need hyperfine hyperfine
apt_need git git
cargo build --quiet --release --locked
windlass=$target/release/windlass
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
machine
# The runbooks have findings, so `check` ends with 2: that is what is to be timed.
hyperfine -N --ignore-failure --warmup 20 --runs 300 --export-csv "$out/times.csv" \
  "git --version" "$windlass --version" "$windlass check examples/runbooks/004-update-protocol.zh.md" >/dev/null 2>&1
# Beside other work the shortest of 300 is nearer to the truth than the median.
awk -F, 'NR == 2 {git = $4; least = $7} NR >= 2 {
  n = split($1, part, "/")
  printf "%-28s median %.2f ms, %.2f x git; shortest %.2f ms, %.2f x git\n", part[n], $4 * 1000, $4 / git, $7 * 1000, $7 / least
}' "$out/times.csv"
printf 'binary: %.1f MB (limit 40)\n' "$(stat -c %s "$windlass" | awk '{print $1 / 1e6}')"
