# How the repository of the working folder is: `KEY<tab>VALUE` records and then what is changed in it, each ended by a NUL. Changes
# nothing. $1: the mark that programs of one unit carry in their environment. Needs a POSIX shell, git and /proc.
say() {
    printf '%s\t%s\0' "$1" "$2"
}

top=$(git rev-parse --show-toplevel) || exit 1
[ -n "$top" ] || {
    echo "it has no files of its own: a bare repository" >&2
    exit 1
}
own=$(git rev-parse --absolute-git-dir) && all=$(cd "$own" && cd "$(git rev-parse --git-common-dir)" && pwd -P) || exit 1
cd "$top" || exit 1
say top "$top"
say head "$(git symbolic-ref -q HEAD)"
say commit "$(git rev-parse -q --verify 'HEAD^{commit}')"
for name in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD BISECT_LOG rebase-merge rebase-apply sequencer; do
    [ ! -e "$own/$name" ] || say busy "$name"
done
git config --get-regexp '^(submodule\.recurse|merge\.ff|pull\.ff|remote\.[^.]*\.url)$' | while read -r name value; do
    case $name in
    remote.*) say remote "$(printf %s "$name" | sed 's/^remote\.//; s/\.url$//')" ;;
    *) say "$name" "$value" ;;
    esac
done
# Files that git was told to take for unchanged, whatever they are.
git ls-files -v | sed -n 's/^[a-zS] //p' | while read -r path; do
    say hidden "$path"
done
# Who works on it: a lock without anybody was left by somebody who was killed.
for process in /proc/[0-9]*; do
    read -r name <"$process/comm" || continue
    case $name in
    git | git-*) ;;
    *) continue ;;
    esac
    if place=$(readlink "$process/cwd"); then
        case $place/ in
        "$top"/* | "$own"/* | "$all"/*) ;;
        *) continue ;;
        esac
        if tr '\0' '\n' <"$process/environ" | grep -qxF "WINDLASS_GIT=$1"; then
            say ours "${process#/proc/}"
            continue
        fi
    elif stat=$(cat "$process/stat") && case $stat in *") Z "*) false ;; esac; then
        :
    else
        # It has ended.
        continue
    fi
    say others "${process#/proc/}"
done 2>/dev/null
for lock in "$own"/*.lock "$all"/*.lock; do
    [ ! -e "$lock" ] || printf '%s\n' "$lock"
done | sort -u | while read -r lock; do
    say lock "$lock"
done
find "$all/refs" -name '*.lock' | while read -r lock; do
    say lock "$lock"
done
say end ""
git status --porcelain=v1 -z --untracked-files=no --ignore-submodules=all --no-renames
