#!/usr/bin/env bash
# Lint of the same migration files by `windlass check` and by squawk (PyPI `squawk-cli`), in one run: time and ratio.
# squawk is given all files at once; windlass reads them through one step with `files=`.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
apt_need hyperfine hyperfine
apt_need python3-pip pip
files=${1:-200}
cargo build --quiet --release --locked
windlass=$PWD/$target/release/windlass
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
echo "findings: windlass $("$windlass" check release.md 2>&1 | grep -cE '^(error|warning|note)' || true), squawk $("$squawk" migrations/*.sql 2>&1 | grep -cE '^(error|warning)' || true)"
hyperfine -N --ignore-failure --warmup 3 --runs 20 --export-csv "$out/times.csv" \
  "$windlass check release.md" "$squawk $(echo migrations/*.sql)" >/dev/null 2>&1
awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) if ($i == "median") column = i}
  NR == 2 {ours = $(column - 0)} NR == 3 {theirs = $(column)}
  END {printf "windlass check %.1f ms, squawk %.1f ms: %.2f x squawk\n", ours * 1000, theirs * 1000, ours / theirs}' "$out/times.csv"
