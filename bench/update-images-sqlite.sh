#!/usr/bin/env bash
# UPDATE of 2 million rows on SQLite: through windlass with before-images, and through windlass as `irreversible`, so
# without; in turns, in one run. Also the most memory that the controller took, the rollback, and whether all came back.
# Needs sqlite3 and python3 (installed with apt when missing). `ROWS=` and `ROUNDS=` change the size.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
apt_need sqlite3 sqlite3
apt_need python3 python3
cargo build --quiet --release --locked
windlass=$(realpath "$target/release/windlass")
rows=${ROWS:-2000000} rounds=${ROUNDS:-3}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
machine
cd "$out"
printf '[target.db]\nurl = "sqlite:app.db"\n' >windlass.toml
statement="UPDATE record SET s3_key = 'spec-v1/' || record_id || '.txt' WHERE record_id >= 0;"
document() { printf -- '---\nrelease: 2\nfrom: 1\n---\n# 2\n\n```sql {#keys on=db%s}\n%s\n```\n' "$1" "$statement"; }
document '' >images.md
document ' irreversible' >plain.md
sqlite3 base.db "PRAGMA journal_mode = WAL;
  CREATE TABLE record (id INTEGER PRIMARY KEY, record_id INTEGER, owner TEXT, at TEXT, s3_key TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
    INSERT INTO record SELECT i, i * 7, 'owner ' || (i % 1000), '2024-01-01 00:00:00', NULL FROM n;" >/dev/null
sqlite3 base.db "PRAGMA wal_checkpoint(TRUNCATE)" >/dev/null
cat >measure.py <<'PY'
import os, resource, shutil, subprocess, sys, time
windlass, rounds = sys.argv[1], int(sys.argv[2])
def run(*words):
    began = time.monotonic()
    with open("log", "ab") as log:
        done = subprocess.Popen([windlass, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _, status, usage = os.wait4(done.pid, 0)
    if status:
        sys.exit(f"windlass {' '.join(words)}: {status}\n" + open("log").read()[-2000:])
    return time.monotonic() - began, usage.ru_maxrss / 1024
def fresh():
    for name in ("app.db", "app.db-wal", "app.db-shm"):
        if os.path.exists(name):
            os.remove(name)
    shutil.rmtree(".windlass", ignore_errors=True)
    shutil.copy("base.db", "app.db")
    os.sync()
best = {}
for _ in range(rounds):
    for name in ("plain", "images"):
        fresh()
        seconds, memory = run("apply", f"{name}.md", "--yes")
        best.setdefault(name, []).append((seconds, memory))
back, memory = run("rollback", "--yes")
same = subprocess.run(["sqlite3", "app.db", "SELECT count(*) FROM record WHERE s3_key IS NOT NULL"], capture_output=True, text=True).stdout.strip()
for name, found in best.items():
    print(f"{name:8} {min(s for s, _ in found):6.2f} s   all: {' '.join(f'{s:.2f}' for s, _ in found)}   memory {max(m for _, m in found):.0f} MB")
print(f"rollback {back:6.2f} s   memory {memory:.0f} MB   rows not put back: {same}")
print(f"ratio    {min(s for s, _ in best['images']) / min(s for s, _ in best['plain']):.2f} (limit 2.00), memory limit 200 MB")
PY
python3 measure.py "$windlass" "$rounds"
