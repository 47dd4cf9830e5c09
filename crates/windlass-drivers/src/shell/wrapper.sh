# Runs one shell line detached from whoever started it. Called as `sh run wrapper` in a session of its own; calls
# itself as `sh run line` in another one. Needs a POSIX shell, ln, readlink, sync, setsid, wc, tail and /proc.
#
# Everything that must appear at once is a symbolic link: creating one is atomic, fails if it is there, and needs no
# free block on a full disk. Their targets are text, not paths:
#   wrapper -> PID:START:BOOT           this script
#   claim   -> PID:START:BOOT:WRAPPER   the line; whoever creates this link decides whether it ever runs
#   status  -> N                        exit status of the line (128 + signal)
# START is field 22 of /proc/PID/stat, so that a reused PID is not mistaken for it.

cd "$folder" || exit 1
read -r stat <"/proc/$$/stat"
read -r boot </proc/sys/kernel/random/boot_id
me=$1
set -- ${stat##*) }
start=${20}
id="$$:$start:$boot"

if [ "$me" = line ]; then
    # All that can fail fails before the claim, so that no claim means no effect.
    : >>output || exit 1
    cd "$work" || exit 1
    ln -s "$id:$PPID" "$folder/claim" 2>/dev/null || exit 1
    sync "$folder" 2>/dev/null || sync
    # All that the line starts is known by this, in whatever session.
    export WINDLASS_TRY="$folder"
    exec /bin/sh "$folder/script" </dev/null >>"$folder/output" 2>&1
fi

# A signal to the group must not keep the status from being written.
trap : HUP INT TERM
ln -s "$id" wrapper || exit 1
(
    while sleep 1; do
        # It ends with its wrapper, also when that was killed or the signal below came too early.
        read -r stat <"/proc/$$/stat" || exit
        set -- ${stat##*) }
        [ "${20}" = "$start" ] || exit
        if [ "$(wc -c <output)" -gt "$output_bytes_max" ]; then
            tail -c 65536 output >output.cut
            : >output
        fi
    done
) 2>/dev/null &
watchdog=$!
setsid /bin/sh "$folder/run" line
code=$?
kill "$watchdog"
case $(readlink claim) in
*":$$") ;;
*) exit 0 ;;
esac
tries=0
until ln -s "$code" status || [ -h status ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 3600 ] || exit 1
    sleep 1
done
sync "$folder" 2>/dev/null || sync
