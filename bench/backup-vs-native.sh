#!/usr/bin/env bash
# `windlass backup create` and `restore` against the native tool alone (pg_dump to a file, psql from it) and through the zstd
# command of the same level and one thread, on the same database of a PostgreSQL server of its own, in turn. Wanted: at most 1.1 of the
# native time, and flat memory.
#
#   [WINDLASS=BINARY] bench/backup-vs-native.sh [ROWS] [ROUNDS]
. "$(dirname "$0")/lib.sh"
apt_need zstd zstd
apt_need time /usr/bin/time
rows=${1:-2000000}
rounds=${2:-3}
bash lab/install
[ -n "${WINDLASS:-}" ] || cargo build --quiet --release --locked
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
windlass=${WINDLASS:-$PWD/$target/release/windlass}
cd "$work/p"
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
timed() { /usr/bin/time -f '%e %M' -o "$work/time" "$@" >/dev/null 2>&1 || { echo "failed: $*" >&2; exit 1; }; }
# took NAME COMMAND…: seconds and memory of one run of it.
took() {
  local name=$1
  shift
  timed "$@"
  cut -d' ' -f1 "$work/time" >>"$name"
  cut -d' ' -f2 "$work/time" >>"$name.memory"
}
for round in $(seq "$rounds"); do
  took alone bash -c "$bin/pg_dump -h $work -U postgres bench >alone.sql"
  took zstd bash -o pipefail -c "$bin/pg_dump -h $work -U postgres bench | zstd -q -3 -T1 -f -o zstd.zst"
  took ours "$windlass" backup create --tools $bin --folder "$work/b$round"
  took alone_restore bash -c "$bin/createdb -h $work -U postgres a$round && $bin/psql -X -q -h $work -U postgres a$round <alone.sql"
  took zstd_restore bash -o pipefail -c "$bin/createdb -h $work -U postgres n$round && zstd -dcq zstd.zst | $bin/psql -X -q -h $work -U postgres n$round"
  took ours_restore "$windlass" backup restore --tools $bin --folder "$work/b$round" --into "w$round"
  for database in a$round n$round w$round; do $bin/dropdb -h "$work" -U postgres "$database"; done
done
machine
echo "$rows rows, dump of $(du -m alone.sql | cut -f1) MiB, median of $rounds rounds; load $(cut -d' ' -f1 /proc/loadavg)"
show() {
  awk -v what="$1" -v a="$(median <"alone$2")" -v z="$(median <"zstd$2")" -v o="$(median <"ours$2")" -v m="$(sort -n "ours$2.memory" | tail -1)" 'BEGIN {
    printf "%s: native alone %.2f s, with zstd %.2f s, windlass %.2f s: %.2f and %.2f of them; memory at most %.0f MB\n",
      what, a, z, o, o / a, o / z, m / 1024 }'
}
show create ""
show restore _restore
