# shellcheck shell=sh
# What a killed container engine leaves outside of its folder ($1): cgroups, which have its name, and bridges, whose names are
# those of its networks.
folder=$1
# A process that dies may still be in one for a moment.
tries=0
until [ -z "$(find /sys/fs/cgroup -type d -path "*/${folder##*/}*" 2>&1)" ] || [ $tries -gt 100 ]; do
  find /sys/fs/cgroup -depth -type d -path "*/${folder##*/}*" -exec rmdir {} +
  tries=$((tries + 1))
  sleep 0.05
done
for bridge in /sys/class/net/br-*; do
  name=${bridge##*/}
  grep -qa "${name#br-}" "$folder/data/network/files/local-kv.db" && ip link delete "$name"
done
