#!/usr/bin/env bash
# The migrations of public projects, from package registries, run as they are: `migrate up` of all, `rollback`, compared with the database
# before; up again, compared with the first time. A difference, or a way back that fails, ends it with 1; what is refused is
# printed and counted. REHEARSE=1 runs each as a document through `rehearse` too and prints its verdicts (half an hour and more).
# ONLY=mostro chooses by name. WINDLASS names a program built before. What a run printed stays in target/histories/run.
# Histories that do not run on an empty database with the tool of their own are not in the list.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
apt_need curl curl
apt_need unzip unzip
apt_need postgresql-client psql
apt_need mariadb-client mariadb-dump
case $target in /*) built=$target ;; *) built=$PWD/$target ;; esac
[ -n "${WINDLASS:-}" ] || cargo build --quiet --locked --bin windlass
windlass=${WINDLASS:-$built/debug/windlass}
cargo build --quiet --workspace --locked --bin windlass-lab
home=$built/histories
mkdir -p "$home"
rm -rf "$home/run"
# registry package version engine tool folder (name when it is not the package)
histories() {
  cat <<'LIST'
crate mostro 0.20.2 sqlite sqlx migrations
crate atuin-client 18.24.4 sqlite sqlx migrations
crate apalis-sqlite 1.0.0 sqlite sqlx migrations
crate torrust-index 3.0.0 sqlite sqlx migrations/sqlite3
crate p2panda-store 0.7.1 sqlite sqlx migrations
crate nym-credential-storage 2.0.0 sqlite sqlx migrations
crate cdk-sql-common 0.18.3 sqlite plain src/wallet/migrations/sqlite
crate matrix-sdk-sqlite 0.19.1 sqlite plain migrations/crypto_store
crate matrix-sdk-sqlite 0.19.1 sqlite plain migrations/event_cache_store
crate matrix-sdk-sqlite 0.19.1 sqlite plain migrations/state_store
crate ockam_node 0.139.0 sqlite plain src/storage/database/migrations/node_migrations/sql/sqlite
crate torrust-index 3.0.0 mysql sqlx migrations/mysql
crate torrust-index 3.0.0 mariadb sqlx migrations/mysql
crate apalis-mysql 1.0.0-rc.8 mysql sqlx migrations
crate apalis-postgres 1.0.0 postgres15 sqlx migrations
crate atuin-server-postgres 18.20.1 postgres15 sqlx migrations
crate cdk-sql-common 0.18.3 postgres15 plain src/mint/migrations/postgres
crate cdk-sql-common 0.18.3 postgres-newer plain src/wallet/migrations/postgres
crate underway 0.2.0 postgres-newer sqlx migrations
crate sqlxmq 0.6.0 postgres15 sqlx migrations
crate pg_task 1.0.0 postgres15 sqlx migrations
crate zksync_prover_dal 0.1.0 postgres-newer sqlx migrations
crate zksync_dal 29.13.0-non-semver-compat postgres15 sqlx migrations
crate lemmy_db_schema 1.0.0-beta.3 postgres15 diesel migrations
LIST
}
# fetch REGISTRY PACKAGE VERSION: its folder
fetch() {
  local to=$home/$1/$2-$3
  if [ ! -d "$to" ]; then
    mkdir -p "$home/$1"
    case $1 in
    crate) curl -sSfL -m 120 "https://static.crates.io/crates/$2/$2-$3.crate" | tar xz -C "$home/$1" ;;
    esac
  fi
  printf '%s' "$to"
}
declare -A urls stdins
finish() {
  local fd
  for fd in "${stdins[@]}"; do eval "exec $fd>&-"; done
  wait
}
trap finish EXIT
# server ENGINE: the URL of its first database
server() {
  [ -z "${urls[$1]:-}" ] || return 0
  local pipe=$home/$1.in fd
  rm -f "$pipe" "$home/$1.url"
  mkfifo "$pipe"
  "$built/debug/windlass-lab" "$1" <"$pipe" >"$home/$1.url" 2>"$home/$1.log" &
  exec {fd}>"$pipe"
  stdins[$1]=$fd
  for _ in $(seq 600); do [ -s "$home/$1.url" ] && break; sleep 0.2; done
  urls[$1]=$(grep -o '[a-z]*://[^ ]*' "$home/$1.url" | head -1)
}
mysql_client() { # program [argument...]
  local port=${urls[$engine]##*:}
  "$1" --no-defaults --skip-ssl -h 127.0.0.1 -P "${port%%/*}" -u root "${@:2}"
}
# fresh: an empty database; its URL is in $url
fresh() {
  rm -rf .windlass
  case $engine in
  sqlite)
    rm -f app.db*
    python3 -c 'import sqlite3; sqlite3.connect("app.db").execute("VACUUM")'
    url=sqlite:app.db
    ;;
  postgres*)
    server "$engine"
    psql -qX "${urls[$engine]%/*}/postgres" -c "DROP DATABASE IF EXISTS history WITH (FORCE)" -c "CREATE DATABASE history" 2>/dev/null
    url=${urls[$engine]%/*}/history
    ;;
  *)
    server "$engine"
    mysql_client mariadb -e "DROP DATABASE IF EXISTS history; CREATE DATABASE history"
    url=${urls[$engine]%/*}/history
    ;;
  esac
  printf '[target.db]\nurl = "%s"\n' "$url" >windlass.toml
}
# dump: all definitions and rows but ours and the tables of the tools
tools='_sqlx_migrations|migration_ledger|__diesel_schema_migrations'
dump() {
  local ours=() name program=pg_dump
  case $engine in
  sqlite)
    python3 -c 'import re, sqlite3, sys
for line in sqlite3.connect("app.db").iterdump():
    # Nobody can drop sqlite_sequence again; empty, it means nothing.
    if not re.search("windlass_|DELETE FROM .sqlite_sequence|" + sys.argv[1], line): print(line)' "$tools"
    ;;
  postgres*)
    [ "$engine" = postgres15 ] || program=$(find "$built/lab/sid" -path '*/bin/pg_dump' | head -1)
    for name in ${tools//|/ }; do ours+=(-T "*.$name"); done
    "$program" --no-owner -N 'windlass*' "${ours[@]}" "$url" | grep -Ev '^\\(un)?restrict|^--|^$'
    ;;
  *)
    for name in $(mysql_client mariadb -BN -e "SHOW TABLES" history | grep -E "^_?windlass|^($tools)\$"); do
      ours+=(--ignore-table="history.$name")
    done
    mysql_client mariadb-dump --skip-dump-date --routines --triggers --events "${ours[@]}" history
    ;;
  esac
}
# verdicts: what a rehearsal says of the whole
verdicts() {
  local files='m/*.sql'
  ! compgen -G 'm/*.up.sql' >/dev/null || files='m/*.up.sql'
  ! compgen -G 'm/*/up.sql' >/dev/null || files='m/*/up.sql'
  # shellcheck disable=SC2016
  printf -- '---\nrelease: v1\n---\n# All\n\n```sql {#m on=db files="%s"}\n```\n' "$files" >RELEASE.md
  fresh
  local with=()
  [ "$engine" != postgres-newer ] || with=(--tools "$(dirname "$(find "$built/lab/sid" -path '*/bin/pg_dump' | head -1)")")
  "$windlass" rehearse RELEASE.md "${with[@]}" >rehearse.log 2>&1 || true
  tr '\n' ' ' <rehearse.log | grep -oE '[0-9,]+ statements?:[^.]*' | head -1
}
wrong=0 refused=0
while read -r registry package version engine tool folder; do
  case "$package-$engine" in *"${ONLY:-}"*) ;; *) continue ;; esac
  source=$(fetch "$registry" "$package" "$version")
  here=$home/run/$engine-$package-$(basename "$folder")
  mkdir -p "$here"
  cd "$here"
  ln -sfn "$source/$folder" m
  fresh
  dump >before
  said=$(printf '%-14s %s %s %s' "$engine" "$package" "$version" "$folder: $(find m/ -name '*.sql' | wc -l) files")
  if ! "$windlass" migrate up m --on db --yes --tool "$tool" >up.log 2>&1; then
    if grep -q 'needs a person' up.log; then wrong=$((wrong + 1)); else refused=$((refused + 1)); fi
    echo "$said: NOT APPLIED: $(grep -m1 -E '^error|failed|needs a person' up.log)"
    continue
  fi
  dump >up
  if ! "$windlass" rollback --yes >back.log 2>&1; then
    echo "$said: WAY BACK FAILED, see $here/back.log"
    wrong=$((wrong + 1))
    continue
  fi
  dump >back
  "$windlass" migrate up m --on db --yes --tool "$tool" >again.log 2>&1 || true
  dump >again
  # A moment of a row that a migration itself writes is another one, and so is the name of a column that is set aside.
  moments='s/[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]+(\+00)?/MOMENT/g; s/_windlass_aside_[0-9a-f]+/ASIDE/g'
  for pair in 'before back' 'up again'; do
    read -r one other <<<"$pair"
    if ! diff <(sed -E "$moments" "$one") <(sed -E "$moments" "$other") >"$one-$other.diff"; then
      echo "$said: DIFFERENT, see $here/$one-$other.diff"
      wrong=$((wrong + 1))
      continue 2
    fi
  done
  [ "${REHEARSE:-0}" = 0 ] || said+="; $(verdicts)"
  echo "$said: up, back, up again: the same"
done < <(histories)
echo "$wrong wrong, $refused refused"
[ "$wrong" = 0 ]
