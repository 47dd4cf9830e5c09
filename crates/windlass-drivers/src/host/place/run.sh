# Runs one program on this host: its words are the parameters. Before it stand the variables token, dir, limit_s, grace_s and
# the function exports. Its input is what follows this text. Needs a POSIX shell, setsid, sleep. All of it is one function that
# the last line calls: half of this text does nothing.
end() {
    printf '\n%s:%03d\n' "$token" "$1"
    printf '\n%s:%03d\n' "$token" "$1" >&2
    exit 0
}

never() {
    printf '%s\n' "$1" >&2
    end 999
}

windlass_run() {
    [ $# -gt 0 ] || never "it has no name"
    [ -z "$dir" ] || cd "$dir" 2>/dev/null || never "the working folder $dir cannot be entered"
    command -v setsid >/dev/null || never "there is no setsid"
    command -v "$1" >/dev/null || {
        printf '%s: not found\n' "$1" >&2
        end 127
    }
    exec 3<&0 </dev/null
    (
        exports
        exec setsid "$@" <&3 3<&-
    ) &
    child=$!
    exec 3<&-
    # Also when nobody listens any more, it ends.
    (
        trap 'kill "$nap"; exit' TERM
        sleep "$limit_s" &
        nap=$!
        wait "$nap"
        kill -s TERM -- "-$child"
        sleep "$grace_s"
        kill -s KILL -- "-$child"
    ) >/dev/null 2>&1 &
    dog=$!
    wait "$child"
    status=$?
    kill "$dog" 2>/dev/null
    end "$status"
}
windlass_run "$@"
