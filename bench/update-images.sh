#!/usr/bin/env bash
# UPDATE of 2 million rows with before-images beside the plain UPDATE, on a PostgreSQL of its own; prints both and the ratio.
# Usage: bench/update-images.sh [ROWS]
set -eu -o pipefail
cd "$(dirname "$0")/.."
rows=${1:-2000000}
WINDLASS_BENCH_ROWS=$rows cargo test -q -p windlass-drivers --lib postgres::tests::measure -- --ignored --nocapture 2>&1 | grep -E '^(plain|images|ratio)'
