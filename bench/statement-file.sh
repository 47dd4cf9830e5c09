#!/usr/bin/env bash
# A line of `psql` with a file of SIZE bytes: it is too long to be read statement by statement, so it is left to its client, and
# neither `check` nor `apply` may need more memory for it. The server is one of its own.
#
#   [WINDLASS=BINARY] bench/statement-file.sh [MIB]
. "$(dirname "$0")/lib.sh"
apt_need time /usr/bin/time
mib=${1:-1024}
bash lab/install
[ -n "${WINDLASS:-}" ] || cargo build --quiet --release --locked
windlass=${WINDLASS:-$PWD/$target/release/windlass}
bin=/usr/lib/postgresql/15/bin
work=$(mktemp -d)
chmod 755 "$work"
chown postgres "$work"
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
trap 'as $bin/pg_ctl -D "$work/data" -m immediate stop >/dev/null 2>&1; rm -rf "$work"' EXIT
as $bin/initdb -D "$work/data" -A trust >/dev/null
as $bin/pg_ctl -D "$work/data" -w -l "$work/log" -o "-c listen_addresses='' -c fsync=off -k $work" start >/dev/null
mkdir "$work/p"
cd "$work/p"
printf '[target.app]\ndir = "."\n\n[target.db]\nurl = "postgres:///postgres?host=%s&user=postgres"\n' "$work" >windlass.toml
row=$(head -c 1000 /dev/zero | tr '\0' x)
{ echo 'CREATE TABLE t (a text);'; { yes "INSERT INTO t VALUES ('$row');" || true; } | head -c "${mib}M" | sed '$d'; } >big.sql
cat >release.md <<END
---
release: 2.1.0
from: 2.0.9
---
# 2.1.0

\`\`\`sh {#load on=app irreversible}
$bin/psql -X -q -h $work -U postgres -v ON_ERROR_STOP=1 -f big.sql
psql -X -q -h $work -U postgres -d postgres -v ON_ERROR_STOP=1 -c "SELECT 1"
\`\`\`
END
for command in check plan 'apply --yes --despite-problems'; do
  # shellcheck disable=SC2086
  /usr/bin/time -f '%e %M' -o time "$windlass" ${command%% *} release.md $(echo "$command" | cut -s -d' ' -f2-) >/dev/null 2>said ||
    { cat said >&2; exit 1; }
  printf '%-6s %s s, %s MB\n' "${command%% *}" "$(cut -d' ' -f1 time)" "$(awk '{print int($2 / 1024)}' time)"
done
machine
ls -l --block-size=M big.sql | awk '{print $5, "in big.sql"}'
echo "rows: $($bin/psql -X -A -t -h "$work" -U postgres -c 'SELECT count(*) FROM t')"
