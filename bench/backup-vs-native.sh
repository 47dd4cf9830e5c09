#!/usr/bin/env bash
# `windlass backup create` and `restore` against the native tool alone (pg_dump and psql through the zstd command), on the same
# database of a PostgreSQL server of its own, in turn. Wanted: at most 1.1 of the native time, and flat memory.
#
#   bench/backup-vs-native.sh [ROWS] [ROUNDS]
. "$(dirname "$0")/lib.sh"
apt_need zstd zstd
apt_need time /usr/bin/time
rows=${1:-2000000}
rounds=${2:-3}
bash lab/install
cargo build --quiet --release --locked
bin=/usr/lib/postgresql/15/bin
work=$(mktemp -d)
chmod 755 "$work"
chown postgres "$work"
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
trap 'as $bin/pg_ctl -D "$work/data" -m immediate stop >/dev/null 2>&1; rm -rf "$work"' EXIT
as $bin/initdb -D "$work/data" -A trust >/dev/null
as $bin/pg_ctl -D "$work/data" -w -l "$work/log" -o "-c listen_addresses='' -k $work" start >/dev/null
url="postgres:///bench?host=$work&user=postgres"
psql() { $bin/psql -X -q -h "$work" -U postgres "$@"; }
psql -c 'CREATE DATABASE bench'
psql -d bench -c "CREATE TABLE t AS SELECT id, md5(id::text) AS a, now() AS at, repeat('x', 40) AS b FROM generate_series(1, $rows) id"
mkdir "$work/p"
printf '[target.db]\nurl = "%s"\n' "$url" >"$work/p/windlass.toml"
windlass=$PWD/$target/release/windlass
cd "$work/p"
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
timed() { /usr/bin/time -f '%e %M' -o "$work/time" "$@" >/dev/null 2>&1 || { echo "failed: $*" >&2; exit 1; }; }
for round in $(seq "$rounds"); do
  timed bash -o pipefail -c "$bin/pg_dump -h $work -U postgres bench | zstd -q -3 -f -o native.zst"
  cut -d' ' -f1 "$work/time" >>native
  timed "$windlass" backup create --tools $bin --folder "$work/b$round"
  cut -d' ' -f1 "$work/time" >>ours
  cut -d' ' -f2 "$work/time" >>memory
  timed bash -o pipefail -c "$bin/createdb -h $work -U postgres n$round && zstd -dcq native.zst | $bin/psql -X -q -h $work -U postgres n$round"
  cut -d' ' -f1 "$work/time" >>native_restore
  timed "$windlass" backup restore --tools $bin --folder "$work/b$round" --into "w$round"
  cut -d' ' -f1 "$work/time" >>ours_restore
done
machine
echo "$rows rows, median of $rounds rounds; load $(cut -d' ' -f1 /proc/loadavg)"
awk -v n="$(median <native)" -v o="$(median <ours)" -v nr="$(median <native_restore)" -v or="$(median <ours_restore)" \
  -v m="$(median <memory)" 'BEGIN {
  printf "create:  native %.2f s, windlass %.2f s, ratio %.2f\n", n, o, o / n
  printf "restore: native %.2f s, windlass %.2f s, ratio %.2f\n", nr, or, or / nr
  printf "memory of windlass: %.0f MB\n", m / 1024 }'
