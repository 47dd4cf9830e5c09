#!/usr/bin/env bash
# UPDATE of 2 million rows with batch=5000 and the default throttle while a service (pgbench, 200 transactions a second, each
# reading and writing rows of the same table) is at work; beside it the plain UPDATE. Prints latencies of the service.
# Usage: bench/batch-under-load.sh [ROWS]
set -eu -o pipefail
cd "$(dirname "$0")/.."
rows=${1:-2000000}
WINDLASS_BENCH_ROWS=$rows cargo test -q --workspace --lib batches_under_the_load_of_a_service -- --ignored --nocapture 2>&1 |
    grep -E '^(idle|batches|plain|memory)'
