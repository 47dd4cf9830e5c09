#!/usr/bin/env bash
# Memory of a backup (made, proven, put back) and of a rehearsal of a large table, on servers of their own and on SQLite. Wanted: under 200 MB, whatever
# the size of the table. What is shown is the largest of windlass and the programs that it starts and waits for.
#
#   [WINDLASS=BINARY] [SERVERS='postgres15 sqlite'] bench/memory.sh [ROWS]
. "$(dirname "$0")/lib.sh"
apt_need time /usr/bin/time
rows=${1:-2000000}
servers=${SERVERS:-postgres15 postgres-newer mariadb mysql sqlite}
bash lab/install
[ -n "${WINDLASS:-}" ] || cargo build --quiet --release --locked
windlass=$(realpath "${WINDLASS:-$target/release/windlass}")
cargo build --quiet --locked -p windlass-lab
lab=$(realpath "$target/debug/windlass-lab")
sid=$(realpath "$target/lab/sid/usr")
work=$(mktemp -d)
server=
stop() { [ -z "$server" ] || { exec {keep}>&-; wait "$server" || true; server=; }; }
trap 'stop; rm -rf "$work"' EXIT

# begin FLAVOR: a server with an empty database; sets `url`, `tools` and `client`.
begin() {
  mkfifo "$work/keep-$1"
  "$lab" "$1" <"$work/keep-$1" >"$work/said-$1" &
  server=$!
  exec {keep}>"$work/keep-$1"
  until [ -s "$work/said-$1" ]; do kill -0 "$server"; sleep 0.1; done
  url=$(cut -d' ' -f3 "$work/said-$1")
  local port=${url##*:} database=${url##*/}
  port=${port%%/*}
  case $1 in
    postgres15) tools=/usr/lib/postgresql/15/bin ;;
    postgres-newer) tools=$sid/lib/postgresql/18/bin ;;
    mariadb) tools=/usr/bin ;;
    mysql) tools=$sid/bin ;;
  esac
  case $1 in
    postgres*) client=("$tools/psql" -X -q -v ON_ERROR_STOP=1 "$url") ;;
    *) client=("$tools/mysql" --no-defaults -h 127.0.0.1 -P "$port" -u root "$database") ;;
  esac
}

# The table: about 120 bytes a row. MySQL bounds recursion, so it doubles what it has.
fill() {
  case $1 in
    postgres*) echo "CREATE TABLE t AS SELECT id, md5(id::text) AS a, repeat('x', 60) AS b FROM generate_series(1, $rows) id; ALTER TABLE t ADD PRIMARY KEY (id);" ;;
    sqlite) echo "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT); INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows) SELECT i, hex(i), '$(printf 'x%.0s' {1..90})' FROM n;" ;;
    *)
      echo "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a CHAR(32), b VARCHAR(60)); INSERT INTO t (a, b) VALUES (LPAD(HEX(1), 32, '0'), REPEAT('x', 60));"
      local have=1
      while [ "$have" -lt "$rows" ]; do
        local more=$((rows - have < have ? rows - have : have))
        echo "INSERT INTO t (a, b) SELECT LPAD(HEX(id), 32, '0'), b FROM t LIMIT $more;"
        have=$((have + more))
      done
      ;;
  esac
}

failed=0
# took WHAT COMMAND…
took() {
  local what=$1
  shift
  /usr/bin/time -f '%e %M' -o "$work/time" "$@" >"$work/out" 2>&1 || { cat "$work/out" >&2; echo "failed: $what" >&2; exit 1; }
  local mb=$(($(cut -d' ' -f2 "$work/time") / 1024))
  printf '%-15s %-10s %7s s %5s MB\n' "$flavor" "$what" "$(cut -d' ' -f1 "$work/time")" "$mb"
  [ "$mb" -lt 200 ] || failed=1
}

for flavor in $servers; do
  mkdir "$work/$flavor"
  cd "$work/$flavor"
  if [ "$flavor" = sqlite ]; then
    apt_need sqlite3 sqlite3
    url=sqlite:app.db
    options=()
    into=old.db
    fill sqlite | sqlite3 app.db
  else
    begin "$flavor"
    options=(--tools "$tools")
    into=old
    fill "$flavor" | "${client[@]}"
  fi
  printf '[target.db]\nurl = "%s"\n' "$url" >windlass.toml
  cat >release.md <<END
---
release: 2.1.0
from: 2.0.9
---
# 2.1.0

\`\`\`sql {#large on=db}
ALTER TABLE t ADD COLUMN c INT;
UPDATE t SET c = id;
DELETE FROM t WHERE id % 2 = 0;
\`\`\`
END
  took create "$windlass" backup create "${options[@]}"
  took verify "$windlass" backup verify "${options[@]}"
  took restore "$windlass" backup restore "${options[@]}" --into "$into"
  took rehearse "$windlass" rehearse release.md "${options[@]}"
  stop
  cd "$OLDPWD"
  rm -rf "${work:?}/$flavor"
done
machine
echo "$rows rows; load $(cut -d' ' -f1 /proc/loadavg)"
exit "$failed"
