# Of files between two commits, those that hold neither what the one nor what the other says: a git that was killed leaves some as
# they were, some new, one half written, none else. Words by three: BLOB BLOB PATH. Says the paths, each ended by a NUL.
zero() {
    case $1 in
    *[!0]*) return 1 ;;
    esac
}

# The file is the beginning of what is to be written.
begins() { # blob, path
    ! zero "$1" && git cat-file --filters --path="$2" "$1" | head -c "$(wc -c <"$2")" | cmp -s - "$2"
}

while [ $# -ge 3 ]; do
    now=
    if [ -L "$3" ]; then
        now=$(printf %s "$(readlink -- "$3")" | git hash-object --stdin)
    elif [ -f "$3" ]; then
        now=$(git hash-object -- "$3")
    fi
    if [ -n "$now" ] && [ "$now" != "$1" ] && [ "$now" != "$2" ]; then
        [ ! -L "$3" ] && { begins "$1" "$3" || begins "$2" "$3"; } || printf '%s\0' "$3"
    fi
    shift 3
done
