#!/bin/sh
# The proxy against nginx as a proxy: same machine, same backend, same requests, in turn.
#
#   bench/proxy-vs-nginx.sh [ROUNDS] [SECONDS]
#
# 64 keep-alive connections (wrk), answers of 1 KiB from an nginx backend. nginx as proxy is configured as its
# documentation recommends: worker_processes auto, a keepalive upstream, HTTP/1.1, empty Connection header.
# PROXY names the binary and its arguments up to the address, when it is not the example of the crate.
set -eu

rounds=${1:-5}
seconds=${2:-5}
root=$(cd "$(dirname "$0")/.." && pwd)

for tool in wrk nginx python3; do
    command -v "$tool" >/dev/null && continue
    [ "$(id -u)" = 0 ] || { echo "$tool is missing; install it: apt-get install $tool" >&2; exit 1; }
    apt-get install -y -q "$tool" >/dev/null
done

if [ -z "${PROXY:-}" ]; then
    (cd "$root" && cargo build -q --release -p windlass-proxy --example serve)
    PROXY="${CARGO_TARGET_DIR:-$root/target}/release/examples/serve"
fi

work=$(mktemp -d)
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || :; done; rm -rf "$work"' EXIT INT TERM

# Three free ports, one after the other.
set -- $(python3 -c '
import socket
held = [socket.socket() for _ in range(3)]
for s in held: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in held])')
backend=$1 nginx=$2 ours=$3

body=$(printf '%1024s' '' | tr ' ' x)
common="daemon off; pid $work/PID; error_log $work/error.log crit; worker_processes auto; worker_rlimit_nofile 8192;
events { worker_connections 4096; }"
cat > "$work/backend.conf" <<CONF
$(echo "$common" | sed s/PID/backend.pid/)
http { access_log off; keepalive_requests 1000000000;
  server { listen 127.0.0.1:$backend; location / { default_type text/plain; return 200 "$body"; } } }
CONF
cat > "$work/proxy.conf" <<CONF
$(echo "$common" | sed s/PID/proxy.pid/)
http { access_log off; keepalive_requests 1000000000;
  upstream backend { server 127.0.0.1:$backend; keepalive 64; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:$nginx;
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host \$host; proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto \$scheme; proxy_set_header X-Forwarded-Host \$host; } } }
CONF
nginx -c "$work/backend.conf" & pids="$pids $!"
nginx -c "$work/proxy.conf" & pids="$pids $!"
$PROXY "127.0.0.1:$ours" "$work/state" "1=127.0.0.1:$backend=100" & pids="$pids $!"

for port in "$backend" "$nginx" "$ours"; do
    python3 - "$port" <<'PY'
import sys, time, urllib.request
for attempt in range(200):
    try:
        body = urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/").read()
        assert len(body) == 1024, len(body)
        break
    except OSError:
        time.sleep(0.05)
else:
    sys.exit(f"nothing answers on port {sys.argv[1]}")
PY
done

measure() { wrk -t2 -c64 -d"${seconds}s" --latency "http://127.0.0.1:$1/" > "$work/$2.$3"; }
measure "$nginx" warm nginx
measure "$ours" warm ours
round=1
while [ "$round" -le "$rounds" ]; do
    measure "$nginx" nginx "$round"
    measure "$ours" ours "$round"
    round=$((round + 1))
done

echo "$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nginx -v 2>&1 | sed 's/.*: //')"
python3 - "$work" "$rounds" <<'PY'
import re, statistics, sys
work, rounds = sys.argv[1], int(sys.argv[2])
units = {"us": 0.001, "ms": 1.0, "s": 1000.0}
def read(name, n):
    text = open(f"{work}/{name}.{n}").read()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), float(p99[1]) * units[p99[2]], bad and bad[0]
print(f"{'round':>6} {'nginx req/s':>12} {'ours req/s':>12} {'nginx p99 ms':>13} {'ours p99 ms':>12}")
rows = []
for n in range(1, rounds + 1):
    (a, ap, abad), (b, bp, bbad) = read("nginx", n), read("ours", n)
    rows.append((a, b, ap, bp))
    print(f"{n:>6} {a:>12.0f} {b:>12.0f} {ap:>13.2f} {bp:>12.2f}", abad or "", bbad or "")
a, b, ap, bp = (statistics.median(column) for column in zip(*rows))
print(f"median {a:>12.0f} {b:>12.0f} {ap:>13.2f} {bp:>12.2f}")
print(f"requests/s: {b / a:.2f} of nginx (at least 0.90); p99: {bp / ap:.2f} of nginx (at most 1.20)")
PY
