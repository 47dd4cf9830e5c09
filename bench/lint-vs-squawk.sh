#!/usr/bin/env bash
# Lint of the same migration files by `windlass check` and by squawk (PyPI `squawk-cli`), in one run: time and ratio.
# squawk is given all files at once; windlass reads them through one step with `files=`.
#
#   [WINDLASS=BINARY] bench/lint-vs-squawk.sh [FILES]
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
apt_need hyperfine hyperfine
apt_need python3-pip pip
files=${1:-200}
[ -n "${WINDLASS:-}" ] || cargo build --quiet --release --locked
windlass=${WINDLASS:-$PWD/$target/release/windlass}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
pip install --quiet --target "$out/squawk" squawk-cli >/dev/null 2>&1 ||
  { echo "squawk-cli cannot be installed by pip: nothing to compare with" >&2; exit 2; }
squawk=$out/squawk/bin/squawk
machine
"$squawk" --version

# Migrations as teams write them; every tenth has what a linter has to say something about.
mkdir -p "$out/project/migrations"
cd "$out/project"
for ((i = 1; i <= files; i++)); do
  cat >"migrations/$(printf %05d "$i").sql" <<SQL
-- migration $i
CREATE TABLE IF NOT EXISTS account_$i (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email text NOT NULL,
  state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'active', 'gone')),
  payload jsonb NOT NULL DEFAULT '{}'::jsonb,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX account_${i}_email ON account_$i (lower(email));
ALTER TABLE orders ADD COLUMN note_$i text;
ALTER TABLE orders ADD CONSTRAINT note_${i}_short CHECK (length(note_$i) < 200) NOT VALID;
UPDATE orders SET state = 'gone' WHERE account_id IN (SELECT id FROM account_$i WHERE state = 'gone');
CREATE OR REPLACE FUNCTION touch_$i() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
\$\$;
COMMENT ON TABLE account_$i IS 'Accounts; version $i';
SQL
  ((i % 10)) || printf 'CREATE INDEX orders_%s ON orders (note_%s);\nALTER TABLE orders ALTER COLUMN n TYPE bigint;\n' "$i" "$i" \
    >>"migrations/$(printf %05d "$i").sql"
done
printf '[target.db]\nurl = "postgres://app@127.0.0.1/shop"\n' >windlass.toml
printf -- '---\nrelease: 1.0.0\n---\n\n```sql {#all on=db files="migrations/*.sql"}\n```\n\n- [ ] fine\n' >release.md
printf '%s files, %s bytes\n' "$files" "$(cat migrations/*.sql | wc -c)"

# Both have findings, so both may end with another status than 0.
counted() { sort | uniq -c | sort -rn | awk '{printf "  %5d %s\n", $1, $2}'; }
echo "findings of windlass:"
{ "$windlass" check release.md 2>&1 || true; } | sed -nE 's/^(error|warning|note)\[([a-z0-9-]+)\].*/\2/p' | counted
echo "findings of squawk:"
{ "$squawk" --reporter=gcc migrations/*.sql 2>/dev/null || true; } | sed -nE 's/^[^:]+:[0-9]+:[0-9]+: [a-z]+: ([a-z-]+).*/\1/p' | counted
# Processor time says more than the clock where others work too.
hyperfine -N --ignore-failure --warmup 3 --runs 20 --export-csv "$out/times.csv" \
  "$windlass check release.md" "$squawk $(echo migrations/*.sql)" >/dev/null 2>&1
awk -v busy="$(cut -d' ' -f1 /proc/loadavg)" '
  # Commas of the commands stand in the first column only.
  {sub(/^"[^"]*"|^[^,]*/, "c"); split($0, v, ",")}
  NR == 1 {for (i in v) at[v[i]] = i}
  NR > 1 {median[NR] = v[at["median"]]; cpu[NR] = v[at["user"]] + v[at["system"]]; least[NR] = v[at["min"]]}
  END {
    printf "median of 20, load %s: windlass check %.1f ms, squawk %.1f ms: %.2f x squawk\n", busy, median[2] * 1000, median[3] * 1000, median[2] / median[3]
    printf "shortest: %.1f and %.1f ms: %.2f x; processor time: %.1f and %.1f ms: %.2f x\n", least[2] * 1000, least[3] * 1000, least[2] / least[3], cpu[2] * 1000, cpu[3] * 1000, cpu[2] / cpu[3]}' "$out/times.csv"
