#!/usr/bin/env bash
# UPDATE of 2 million rows with before-images beside the plain UPDATE, on MariaDB and MySQL servers of its own; prints both and the ratio.
# Usage: bench/update-images-mysql.sh [ROWS]
set -eu -o pipefail
cd "$(dirname "$0")/.."
rows=${1:-2000000}
WINDLASS_BENCH_ROWS=$rows cargo test -q --workspace --lib mysql::tests::measure -- --ignored --nocapture 2>&1 | grep -E '^(Mariadb|Mysql)'
