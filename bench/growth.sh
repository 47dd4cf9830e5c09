#!/usr/bin/env bash
# Growth: check, plan and fold at a size and at a tenth of it. Linear means a ratio of about 10; less when a fixed
# cost shows.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
apt_need hyperfine hyperfine
cargo build --quiet --release --locked
cargo build --quiet --release --locked -p windlass-journal --example fold
windlass=$PWD/$target/release/windlass
case $target in /*) windlass=$target/release/windlass ;; esac
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
machine

# A document of N steps.
steps() {
  printf -- '---\nrelease: 1\n---\n# Many steps\n\n'
  awk -v n="$1" 'BEGIN {for (i = 1; i <= n; i++) printf "## 阶段 %d\n\n```sh {#s%d on=app}\nmkdir -p a/%d\n```\n\n", i, i, i}'
}
printf '[target.app]\ndir = "."\n' >"$out/windlass.toml"
steps 100 >"$out/100.md"
steps 1000 >"$out/1000.md"
# Markdown of 100 KB and 1 MB: the runbooks, again and again.
while [ "$(stat -c %s "$out/big.md" 2>/dev/null || echo 0)" -lt 1000000 ]; do cat examples/runbooks/*.md >>"$out/big.md"; done
# A cut in the middle of a character is left out (iconv -c, which then still reports it).
head -c 1000000 "$out/big.md" | { iconv -c -f utf-8 -t utf-8 2>/dev/null || true; } >"$out/1mb.md"
head -c 100000 "$out/big.md" | { iconv -c -f utf-8 -t utf-8 2>/dev/null || true; } >"$out/100kb.md"

pair() { # name small large
  hyperfine -N --ignore-failure --warmup 2 --runs 10 --export-csv "$out/times.csv" "$2" "$3" >/dev/null 2>&1
  awk -F, -v name="$1" 'NR == 2 {s = $4} NR == 3 {l = $4} END {printf "%-34s %8.1f ms %8.1f ms  x%.1f\n", name, s * 1000, l * 1000, l / s}' "$out/times.csv"
}
pair "check, 100 KB and 1 MB" "$windlass check --json $out/100kb.md" "$windlass check --json $out/1mb.md"
pair "plan, 100 and 1,000 steps" "$windlass plan --offline --json $out/100.md" "$windlass plan --offline --json $out/1000.md"
fold=$(dirname "$windlass")/examples/fold
pair "fold, 10,000 and 100,000 events" "$fold 10000" "$fold 100000"
