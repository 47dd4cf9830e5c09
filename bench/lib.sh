# Shared by the benchmarks: what they need, where the binary is, what machine this is.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# apt_need PACKAGE COMMAND: installs when missing (Debian, root).
apt_need() {
  command -v "$2" >/dev/null 2>&1 && return
  [ "$(id -u)" -eq 0 ] || { echo "missing: $1 (install it, or run as root)" >&2; exit 2; }
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1" >/dev/null 2>&1 ||
    { apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1" >/dev/null; }
}

target=${CARGO_TARGET_DIR:-target}
machine() { printf 'machine: %s, %s cores, Linux %s\n' "$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo)" "$(nproc)" "$(uname -r)"; }
