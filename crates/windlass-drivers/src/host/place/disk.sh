# What scripts that work on files share: it stands in front of them. Needs a POSIX shell, sha256sum and sync.
LC_ALL=C
export LC_ALL

# Fails where the disk does; a `sync` without operands does them all.
durable() { # path, option
    # shellcheck disable=SC2086
    sync $2 / 2>/dev/null || {
        sync
        return
    }
    # shellcheck disable=SC2086
    said=$(sync $2 "$1" 2>&1) && return
    case $said in
    # This account may not open it, or its file system cannot do that with a folder.
    *"Permission denied"* | *"Invalid argument"* | *"not supported"*) sync ;;
    *)
        printf '%s\n' "$said" >&2
        return 1
        ;;
    esac
}

hash_of() {
    sum=$(sha256sum <"$1") || exit 1
    sum=${sum%% *}
}

