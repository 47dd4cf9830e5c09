# Work on one file, here or on a host: OPERATION PATH …. Needs a POSIX shell, cat, find, ln, mv, readlink, rm, sha256sum, stat, sync,
# touch. Exit status: 10 nothing stands there, 11 something else than expected does, 12 the content is not what was sent, 13 it is no
# regular file, 14 it was done, but the disk failed to make it durable, 1 anything else, which standard error says.
umask 077

fail() {
    printf '%s\n' "$2" >&2
    exit "$1"
}

# The path itself, behind all links.
real_of() {
    real=$(readlink -f -- "$1") && [ -n "$real" ] || fail 1 "$1: its folder is not there, or it is a link in a circle"
    folder=${real%/*}
    folder=${folder:-/}
}

# What stands at $real, as `mode uid gid bytes sha256 path`.
stand() {
    [ -e "$real" ] || return 10
    [ -f "$real" ] || fail 13 "$real is no regular file"
    facts=$(stat -c '%f %u %g %s' -- "$real") || exit 1
    hash_of "$real"
}

look() {
    real_of "$1"
    stand || exit 10
    printf '%s %s %s\n' "$facts" "$sum" "$real"
}

content() {
    look "$1"
    cat -- "$real"
}

# Where new content is prepared, beside the file. What a write left that was cut off goes: it ends within an hour.
prepare() { # name of the file, as hash
    find "$folder" -maxdepth 1 -name ".windlass-write-$1-*" -mmin +60 -exec rm -f -- {} + 2>/dev/null
    new=$folder/.windlass-write-$1-$$
    trap 'rm -f -- "$new"' EXIT
    trap 'exit 1' HUP INT PIPE TERM
    (
        set -C
        : >"$new"
    ) || exit 1
}

# What was expected must stand there: a hash, or `-` for nothing.
expect() {
    sum=-
    stand
    [ "$sum" = "$1" ] || fail 11 "$real was changed by others: SHA-256 $sum instead of $1"
}

put() { # path, hash of its name, what is expected, mode of a new file, hash of the content
    real_of "$1"
    expect "$3"
    prepare "$2"
    if [ "$3" = - ]; then
        owner=
        mode=$4
    else
        # shellcheck disable=SC2086
        set -- "$1" "$2" "$3" "$4" "$5" $facts
        owner=$7:$8
        mode=$(stat -c %a -- "$real") || exit 1
    fi
    cat >"$new" || exit 1
    hash_of "$new"
    [ "$sum" = "$5" ] || fail 12 "what arrived is not what was sent"
    # Access lists and attributes, where they can be kept; from here on it may be one that this account cannot open to write.
    [ "$3" = - ] || {
        cp --attributes-only --preserve=all -- "$real" "$new" 2>/dev/null
        touch -- "$new" || exit 1
    }
    if [ -n "$owner" ] && [ "$(stat -c %u:%g -- "$new")" != "$owner" ]; then
        chown "$owner" "$new" || fail 1 "cannot keep its owner $owner"
    fi
    chmod "$mode" "$new" || exit 1
    durable "$new" || exit 1
    expect "$3"
    if [ "$3" = - ]; then
        # Fails if something came to stand there.
        ln -- "$new" "$real" || exit 1
    else
        mv -f -- "$new" "$real" || exit 1
    fi
    durable "$folder" || exit 14
}

# Waits for writes that nobody listens to any more, then says what stands there.
settle() { # path, hash of its name
    real_of "$1"
    tries=0
    while :; do
        busy=
        for new in "$folder/.windlass-write-$2-"*; do
            [ -e "$new" ] && kill -0 "${new##*-}" 2>/dev/null && busy=1
        done
        [ -n "$busy" ] && [ "$tries" -lt 30 ] || break
        tries=$((tries + 1))
        sleep 1
    done
    [ -z "$busy" ] || fail 1 "$new is still being written"
    look "$1"
}

drop() { # path, what is expected
    real_of "$1"
    expect "$2"
    rm -f -- "$real" || exit 1
    durable "$folder" || exit 14
}

# Names in a folder, each ended by a NUL.
names() {
    [ -d "$1" ] || exit 10
    find "$1/" -mindepth 1 -maxdepth 1 -print0
}

"$@"
