# One operation on the file system of this host: OPERATION WORKSPACE ARGUMENT …. Paths are absolute. Needs a POSIX shell, the GNU or
# busybox tools for files, and flock. An operation that changes something holds the lock of the workspace, and every other one
# waits for it: what a controller began that is gone by now has ended before anybody looks.
mask=$(umask)
umask 077

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

folder_of() {
    folder=${1%/*}
    folder=${folder:-/}
}

# A name that came, went or changed hands in its folder.
durable_in() { # path
    folder_of "$1"
    durable "$folder" || exit 1
}

# Kind and mode of $1, as lstat says: $raw is empty where nothing stands.
raw_of() {
    raw=$(stat -c %f -- "$1" 2>&1) && {
        raw=$((0x$raw))
        return
    }
    case $raw in
    *"No such file"* | *"Not a directory"*) raw= ;;
    *) fail "$raw" ;;
    esac
}

# Sum of a folder: kind, mode and name of every entry, content of files, targets of links.
tree() {
    cd "$1" || exit 1
    # What is said is kept in no file: its disk may be the one that is full.
    said=$({
        find . -print0 | sort -z | xargs -0 stat -c '%f %n' -- &&
            find . -type f -print0 | sort -z | xargs -0 -r sha256sum -b -- &&
            find . -type l -print0 | sort -z | xargs -0 -r -n 1 readlink -- &&
            echo complete
    } 2>&1 >"$scratch") && [ -z "$said" ] && [ "$(tail -n 1 "$scratch")" = complete ] ||
        fail "${said:-the list of $1 in $scratch is not complete}"
    # Number and sizes are for people.
    entries=$(($(find . | wc -l) - 1))
    bytes=$(find . -type f -exec stat -c %s -- {} + | awk '{ sum += $1 } END { printf "%.0f", sum }')
    hash_of "$scratch"
    printf 'tree %s %s %s\n' "$sum" "$entries" "${bytes:-0}"
}

facts() {
    printf '%s\n%s\n%s\n' "$mask" "$(cd && pwd -P)" "${XDG_STATE_HOME:-}"
}

state() { # path, whole
    raw_of "$1"
    case $((${raw:-0} >> 12)) in
    0) echo absent ;;
    8)
        hash_of "$1"
        printf 'file %s %s %o\n' "$sum" "$(stat -c %s -- "$1")" $((raw & 07777))
        ;;
    10) printf 'link %s\n' "$(readlink -- "$1")" ;;
    4)
        [ -z "$2" ] || {
            scratch=$(mktemp) || exit 1
            trap 'rm -f -- "$scratch"' EXIT
            tree "$1"
            return
        }
        printf 'folder %o\n' $((raw & 0777))
        ;;
    *) echo other ;;
    esac
}

meta() { # path, follow
    # shellcheck disable=SC2086
    stat $2 -c '%f %d %i %h' -- "$1"
}

real() {
    real=$(readlink -f -- "$1") && [ -e "$real" ] || fail "No such file or directory"
    printf %s "$real"
}

may_write() {
    [ -w "$1" ] && [ -x "$1" ]
}

free() {
    df -Pk -- "$1" | awk 'NR == 2 { printf "%s\n", $4 }'
}

make_workspace() {
    :
}

# Owner, mode and attributes of $2 for $1, and its times.
clothe() { # path, like, times
    cp --attributes-only --preserve=mode,ownership,xattr -T -- "$2" "$1" 2>/dev/null
    owner=$(stat -c %u:%g -- "$2") || exit 1
    [ "$(stat -c %u:%g -- "$1")" = "$owner" ] || chown "$owner" -- "$1" || fail "cannot keep its owner $owner"
    chmod "$(stat -c %a -- "$2")" -- "$1" || exit 1
    [ -z "$3" ] || touch -r "$2" -- "$1" || exit 1
}

rename_over() { # new, path
    mv -fT -- "$1" "$2" || exit 1
    durable_in "$2"
}

copy() { # from, path, new, hash, mode, like, times
    rm -rf -- "$3" || exit 1
    trap 'rm -rf -- "$new"' EXIT
    new=$3
    cp -- "$1" "$3" || exit 1
    hash_of "$3"
    [ "$sum" = "$4" ] || fail "$1 changed while it was copied"
    if [ -n "$6" ]; then clothe "$3" "$6" "$7"; else chmod "$5" -- "$3" || exit 1; fi
    durable "$3" || exit 1
    rename_over "$3" "$2"
}

link() { # target, path, new
    rm -rf -- "$3" && ln -s -- "$1" "$3" || exit 1
    rename_over "$3" "$2"
}

hard_link() {
    ln -T -- "$1" "$2" || exit 1
    durable_in "$2"
}

rename() { # from, to, over
    folder_of "$2"
    [ "$(stat -c %d -- "$1")" = "$(stat -c %d -- "$folder")" ] || fail "Invalid cross-device link"
    if [ -n "$3" ]; then
        mv -fT -- "$1" "$2" || exit 1
    else
        free_at "$2"
        # By one call that fails if something stands there, where `mv` knows it.
        mv -nT -- "$1" "$2" || exit 1
        free_at "$1"
    fi
    durable "$folder" || exit 1
    durable_in "$1"
}

free_at() {
    raw_of "$1"
    [ -z "$raw" ] || fail "File exists: $1"
}

make_folder() { # path, mode, new
    rm -rf -- "$3" && mkdir -- "$3" && chmod "$2" -- "$3" || exit 1
    free_at "$1"
    mv -nT -- "$3" "$1" || exit 1
    free_at "$3"
    durable_in "$1"
}

mode() {
    chmod "$2" -- "$1"
}

clothe_folder() {
    clothe "$1" "$2" times
}

remove() {
    rm -f -- "$1" || exit 1
    durable_in "$1"
}

remove_folder() {
    rmdir -- "$1" || exit 1
    durable_in "$1"
}

clear() {
    for path in "$@"; do
        rm -rf -- "$path" || exit 1
    done
}

copy_whole() { # from, to
    free_at "$2"
    strange=$(find "$1" ! -type f ! -type d ! -type l | head -n 1)
    [ -z "$strange" ] || fail "$strange is a pipe, socket or device and cannot be copied"
    cp -aT -- "$1" "$2" || exit 1
    # It says nothing where this account may not keep an owner.
    owners=$(owners_of "$1") && copied=$(owners_of "$2") || exit 1
    [ "$owners" = "$copied" ] || {
        rm -rf -- "$2"
        fail "cannot keep the owners of $1"
    }
    durable "$2" -f || exit 1
}

owners_of() {
    if [ -d "$1" ] && [ ! -L "$1" ]; then
        cd "$1" && find . -print0 | sort -z | xargs -0 stat -c '%u:%g %n' --
    else
        stat -c %u:%g -- "$1"
    fi
}

link_times() {
    touch -hr "$2" -- "$1"
}

# Not every `flock` can wait for a time. The bound is the limit of an operation.
lock() { # option
    command -v flock >/dev/null || fail "there is no flock"
    tries=0
    until flock "$1" 9; do
        [ $? = 1 ] && [ "$tries" -lt 1800 ] || fail "the lock $work/lock is held by something else"
        tries=$((tries + 1))
        sleep 1
    done
}

operation=$1
work=$2
shift 2
case $operation in
facts) ;;
state | meta | real | may_write | free)
    if [ -e "$work/lock" ]; then
        exec 9<"$work/lock"
        lock -sn
    fi
    ;;
*)
    mkdir -p -- "$work" || exit 1
    exec 9>>"$work/lock"
    lock -n
    ;;
esac
"$operation" "$@"
