#!/usr/bin/env bash
# What a durable unit transition costs: fsyncs counted by strace, and time against the raw fsync rate of the same disk.
# Fails when a transition takes more than 2 fsyncs.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
apt_need strace strace
cargo build --quiet --release --locked -p windlass-journal --example append
append=$target/release/examples/append
out=$(mktemp -d -p .)
trap 'rm -rf "$out"' EXIT
machine

"$append" "$out/raw" raw
"$append" "$out/timed.db" 1000
# Opening, the lease and the last checkpoint are not transitions: the difference of two runs is.
fsyncs() { # units
  rm -f "$out"/counted.db*
  strace -f -c -e trace=fsync,fdatasync -o "$out/calls" "$append" "$out/counted.db" "$1" >/dev/null
  awk '$NF == "fsync" || $NF == "fdatasync" {n += $4} END {print n + 0}' "$out/calls"
}
few=$(fsyncs 100)
many=$(fsyncs 1100)
awk -v few="$few" -v many="$many" 'BEGIN {
  each = (many - few) / 2000
  printf "fsyncs: %d for 100 units, %d for 1,100: %.3f for each of 2 transitions of a unit, checkpoints included\n", few, many, each
  exit !(each > 0.9 && each <= 2)
}'
