# Starts, follows and stops one shell line on this host, for a controller elsewhere. Read by `sh -s`. Needs a POSIX shell,
# what wrapper.sh needs, and head, mkdir, sed, sleep.
#
# Before it stand the variables: what (identify, start, follow, inspect, stop, forget, survey), expected (what `identify` said before the
# line was to start; empty: not asked), run, unit, attempt, readonly (empty:
# no), work, limit_ms, offset (bytes of the output that were seen), output_bytes_max, line_script, wrapper_script; and the function
# `say`. What it says: `identity WHO`, `folder PATH`, `obstacle WHY`, `problem WHY`, `beat`, `cut` (the output begins again), and one
# last word: `status N`, `never`, `lost PID`, `timedout`, `stopped`, `survived PIDS`, `unreadable WHY`, `done`.
#
# Like the local driver: whoever makes the link `claim` decides whether the line ever runs.
mask=$(umask)
umask 077
home=${HOME:-/nonexistent}
state=${XDG_STATE_HOME:-$home/.local/state}/windlass
case $state in
/*) ;;
*) state=$home/.local/state/windlass ;;
esac
# Who asks, and where: another account or machine would find no folder, and say that the line never ran.
identity=$(id -u):$state:$(cat /etc/machine-id 2>/dev/null)
tries=$state/$run/$unit
case $work in
/*) ;;
*) work=$home/$work ;;
esac

# Words of a link or file, in $1 and on: `part pid:start:boot:…`.
split() {
    old=$IFS
    IFS=:
    # shellcheck disable=SC2086
    set -- $1
    IFS=$old
    id_pid=${1:-0} id_start=${2:-0} id_boot=${3:-}
}

# Fields of /proc/PID/stat: state, parent, group, session, start.
stat_of() {
    stat_state= stat_start=
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    stat_state=$1 stat_parent=$2 stat_group=$3 stat_session=$4 stat_start=${20}
}

read -r boot </proc/sys/kernel/random/boot_id

is_alive() { # pid:start:boot
    split "$1"
    [ "$id_boot" = "$boot" ] || return 1
    stat_of "$id_pid" || return 1
    [ "$stat_state" != Z ] && [ "$stat_state" != X ] && [ "$stat_start" = "$id_start" ]
}

# Its number still stands for the line: it is alive, or no other process has it.
vouched() { # pid:start:boot
    split "$1"
    [ "$id_boot" = "$boot" ] || return 1
    stat_of "$id_pid" || return 0
    [ "$stat_start" = "$id_start" ]
}

# Time since the machine was started, in hundredths of a second.
uptime_cs() {
    read -r up _ </proc/uptime
    up=${up%.*}${up#*.}
}

quoted() {
    printf "'"
    printf %s "$1" | sed "s/'/'\\\\''/g"
    printf "'"
}

durable() {
    sync "$1" 2>/dev/null || sync
}

# The latest repetition of this try.
latest() {
    folder=$tries/attempt-$attempt
    number=2
    while [ -d "$tries/attempt-$attempt.$number" ]; do
        folder=$tries/attempt-$attempt.$number
        number=$((number + 1))
    done
}

# A folder for this try; an existing one is never started again, but a line that only reads may be repeated.
start() {
    if [ -z "$readonly" ] && [ -d "$tries/attempt-$attempt" ]; then
        folder=$tries/attempt-$attempt
        follow
        return
    fi
    cd "$work" 2>/dev/null || {
        say "obstacle the working folder $work cannot be entered"
        return 0
    }
    mkdir -p "$tries" 2>/dev/null || {
        say "obstacle the folder $tries cannot be made"
        return 0
    }
    folder=$tries/attempt-$attempt
    number=1
    until mkdir "$folder" 2>/dev/null; do
        [ -d "$folder" ] || {
            say "obstacle the folder $folder cannot be made"
            return 0
        }
        if [ -z "$readonly" ]; then
            follow
            return
        fi
        number=$((number + 1))
        folder=$tries/attempt-$attempt.$number
    done
    {
        printf '%s\n' "$line_script" >"$folder/script" && {
            printf 'folder=%s\n' "$(quoted "$folder")"
            printf 'work=%s\n' "$(quoted "$work")"
            printf 'output_bytes_max=%s\n' "$output_bytes_max"
            printf 'WINDLASS_RUN=%s\n' "$(quoted "$run")"
            printf 'WINDLASS_UNIT=%s\n' "$(quoted "$unit_name")"
            printf 'WINDLASS_ATTEMPT=%s\n' "$attempt"
            printf 'export WINDLASS_RUN WINDLASS_UNIT WINDLASS_ATTEMPT\n'
            printf '%s\n' "$wrapper_script"
        } >"$folder/run"
    } 2>/dev/null || {
        # No wrapper runs, so the line cannot.
        ln -s prevented "$folder/claim" 2>/dev/null
        say "obstacle $folder cannot be written"
        return 0
    }
    durable "$folder/run"
    launched=1
    # The line has the umask of its login, not ours.
    (
        umask "$mask"
        exec setsid /bin/sh "$folder/run" wrapper
    ) </dev/null >/dev/null 2>&1 &
    follow
}

# Output that was not seen yet.
pump() {
    size=$(($(wc -c <output 2>/dev/null || echo 0)))
    if [ "$size" -lt "$offset" ]; then
        # The wrapper cut it.
        offset=0
        say cut
    fi
    if [ "$size" -gt "$offset" ]; then
        tail -c "+$((offset + 1))" output 2>/dev/null | head -c "$((size - offset))"
        offset=$size
    fi
}

# The line has ended: its wrapper, while it lives, is about to write the status.
last_word() { # pid of the line
    looked=0
    while :; do
        beat
        wrapper_lives=
        is_alive "$(readlink wrapper 2>/dev/null)" && wrapper_lives=1
        if [ -h status ]; then
            ended
            return
        fi
        if [ -z "$wrapper_lives" ] || [ "$looked" -gt 1200 ]; then
            pump
            say "lost $1"
            return
        fi
        looked=$((looked + 1))
        sleep 0.05 2>/dev/null || sleep 1
    done
}

# A sign of life at least every ten seconds.
beat() {
    uptime_cs
    [ $((up - beaten)) -gt 500 ] || return 0
    beaten=$up
    say beat
}

ended() {
    pump
    if [ -h stopping ]; then
        own=
        vouched "$(readlink claim)" && own=own
        family "$id_pid" "$own"
        if [ -n "$members" ]; then
            say "survived$members"
            return
        fi
    fi
    say "status $(readlink status)"
}

# Processes that carry the mark of the line, as ` /proc/PID/environ …`. All are looked through at once, and only those that
# match are looked at again: `attempt-1` stands in `attempt-10` too.
marked() {
    marked=
    for entry in $(grep -lF "WINDLASS_TRY=$folder" /proc/[0-9]*/environ 2>/dev/null); do
        tr '\0' '\n' 2>/dev/null <"$entry" | grep -Fqx "WINDLASS_TRY=$folder" && marked="$marked $entry"
    done
}

# Processes of the line that run now: its session while `$2` is set, what carries its mark, and their children.
family() { # pid, "own" if the session is its own for sure
    marked
    members=
    groups=
    grown=1
    while [ -n "$grown" ]; do
        grown=
        for entry in /proc/[0-9]*; do
            pid=${entry#/proc/}
            case "$members " in *" $pid "*) continue ;; esac
            [ "$pid" != "$$" ] && stat_of "$pid" || continue
            case $stat_state in Z | X) continue ;; esac
            case "$members $marked " in
            *" $stat_parent "* | *" $entry/environ "*) ;;
            *)
                case "$known " in
                *" $pid:$stat_start "*) ;;
                *) [ -n "$2" ] && [ "$stat_session" = "$1" ] || continue ;;
                esac
                ;;
            esac
            members="$members $pid"
            # What was seen once stays known when its parent is gone.
            case "$known " in *" $pid:$stat_start "*) ;; *) known="$known $pid:$stat_start" ;; esac
            case "$groups " in *" $stat_group "*) ;; *) groups="$groups $stat_group" ;; esac
            grown=1
        done
    done
}

# SIGTERM to all groups of what the line started, its own first; SIGKILL to what is left after five seconds.
terminate() { # pid of the line, word to say
    ln -s line stopping 2>/dev/null
    line=$1
    uptime_cs
    begun=$up
    signal=TERM
    asked=
    empty=0
    # One look can miss a process that is started during it by one that ends during it.
    while [ "$empty" -lt 2 ]; do
        own=
        vouched "$claim" && own=own
        family "$line" "$own"
        uptime_cs
        if [ -z "$members" ]; then
            empty=$((empty + 1))
        else
            empty=0
            if [ $((up - begun)) -gt 800 ]; then
                pump
                say "survived$members"
                return
            fi
            [ $((up - begun)) -lt 500 ] || signal=KILL
            for group in $line $groups; do
                case "$groups " in *" $group "*) ;; *) continue ;; esac
                case "$signal$asked " in TERM*" $group "*) continue ;; esac
                asked="$asked $group"
                kill -s "$signal" -- "-$group" 2>/dev/null
            done
        fi
        pump
        beat
        sleep 0.1 2>/dev/null || sleep 1
    done
    last_word_of_stopped "$line" "$2"
}

# The status that the wrapper writes must be there for a later look; what is said is why it ended.
last_word_of_stopped() {
    looked=0
    until [ -h status ] || ! is_alive "$(readlink wrapper 2>/dev/null)" || [ "$looked" -gt 1200 ]; do
        looked=$((looked + 1))
        beat
        sleep 0.05 2>/dev/null || sleep 1
    done
    pump
    say "$2"
}

follow() {
    say "folder $folder"
    cd "$folder" 2>/dev/null || {
        say "unreadable $folder cannot be entered"
        return 0
    }
    pause=1
    uptime_cs
    followed=$up
    while :; do
        if [ -h status ]; then
            ended
            return
        fi
        claim=$(readlink claim 2>/dev/null)
        case $claim in
        "")
            uptime_cs
            if [ -z "$launched" ] || [ $((up - followed)) -gt 3000 ]; then
                if ln -s prevented claim 2>/dev/null; then
                    durable .
                    say never
                    return
                fi
                [ -h claim ] || {
                    say "unreadable $folder cannot be written"
                    return
                }
                continue
            fi
            ;;
        prevented)
            say never
            return
            ;;
        *)
            if is_alive "$claim"; then
                uptime_cs
                age_ms=$(((up - id_start) * 10))
                if [ "$age_ms" -gt "$limit_ms" ]; then
                    terminate "$id_pid" timedout
                    return
                fi
                if [ -n "$readonly" ] && [ -e stop ]; then
                    terminate "$id_pid" stopped
                    return
                fi
            else
                last_word "$id_pid"
                return
            fi
            ;;
        esac
        pump
        beat
        sleep "0.$(printf %02d "$pause")" 2>/dev/null || sleep 1
        pause=$((pause * 2))
        [ "$pause" -le 20 ] || pause=20
    done
}

# As `follow`, of a try of which nobody knows whether it was started: if it was not, it never will be.
inspect() {
    latest
    if [ ! -d "$folder" ]; then
        if [ -n "$readonly" ]; then
            say never
            return
        fi
        mkdir -p "$tries" 2>/dev/null && mkdir "$folder" 2>/dev/null
        [ -d "$folder" ] || {
            say "unreadable $folder cannot be made"
            return
        }
    fi
    follow
}

survey() {
    cd "$work" 2>/dev/null || say "problem the working folder $work cannot be entered"
    nearest=$state
    until [ -d "$nearest" ]; do
        nearest=${nearest%/*}
        nearest=${nearest:-/}
    done
    [ -w "$nearest" ] || say "problem the folder $nearest cannot be written, where Windlass keeps what a line says"
    complaint=$(printf '%s\n' "$line_script" | /bin/sh -n 2>&1) || say "problem /bin/sh cannot read it: $complaint"
    if [ -n "$uses_sudo" ] && ! sudo -n -l >/dev/null 2>&1; then
        say "problem sudo asks for a password, or is not there"
    fi
}

launched= known=
uptime_cs
beaten=$up
case $expected in
"" | "$identity") ;;
*)
    say "unreadable it was to start as $expected, this is $identity"
    say done
    exit 0
    ;;
esac
case $what in
identify) say "identity $identity" ;;
start) start ;;
follow)
    folder=$follow_folder
    follow
    ;;
inspect) inspect ;;
stop) : >"$follow_folder/stop" ;;
forget) rm -f "$follow_folder/output" "$follow_folder/output.cut" ;;
survey) survey ;;
esac
say done
exit 0
