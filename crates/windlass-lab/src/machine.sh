# The first process of a machine, in namespaces of its own: it puts the machine's tree together and becomes its systemd.
# $1: folder of the machine, $2: the tree it begins with, $3: its address with the length of the network's prefix.
# What it writes goes to `upper` in its folder, so that it is there again after a reboot.
set -e
root=$1/root
mount --make-rprivate /
mkdir -p "$1/upper" "$1/work" "$root"
if ! mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$root" 2>/dev/null; then
  # Where the folder is in an overlay itself there can be no other above it.
  [ -e "$root/edition" ] || cp -a "$2/." "$root"
  mount --bind "$root" "$root"
fi
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
  : >"$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
# Another boot of another machine, as whoever asks /proc has to see.
cat /proc/sys/kernel/random/uuid >"$root/run/boot_id"
mount --bind "$root/run/boot_id" "$root/proc/sys/kernel/random/boot_id"
# Groups of processes, which systemd keeps track by: the hierarchy of the machine's own namespace. The older kind only where there
# is no other: there systemd has been seen to remove the group of a service that it was starting again (219/CGROUP).
if [ -d /sys/fs/cgroup/systemd ] && [ ! -d /sys/fs/cgroup/unified ]; then
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
else
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
ip link set lo up
tries=0
until ip link set eth0 up 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 1000 ] || exit 1
  sleep 0.02
done
ip address add "$3" dev eth0
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l .old
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb /lib/systemd/systemd --log-target=journal --show-status=false
