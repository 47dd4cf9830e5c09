# What lies between two commits: FROM TO REMOTE REF. Changes nothing: what is not there yet is got from REF of REMOTE into a folder of
# its own that is removed again. Says, each ended by a NUL: commits that come, that go, those of these that are nowhere else, whether TO
# is on a remote, subjects of what comes, an empty record; then `git diff --raw`.
own=
trap '[ -z "$own" ] || rm -rf -- "$own"' EXIT
trap 'exit 1' HUP INT TERM
has() {
    git cat-file -e "$1^{commit}" 2>/dev/null
}
if ! has "$2"; then
    [ -n "$3" ] || {
        echo "the commit $2 is not there" >&2
        exit 1
    }
    case $(git fetch -h 2>&1) in
    *write-fetch-head*) ;;
    *)
        echo "git is older than 2.29 there: what comes is not known before it is fetched" >&2
        exit 1
        ;;
    esac
    own=$(mktemp -d) && objects=$(git rev-parse --git-path objects) && objects=$(cd "$objects" && pwd -P) || exit 1
    GIT_OBJECT_DIRECTORY=$own GIT_ALTERNATE_OBJECT_DIRECTORIES=$objects
    export GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
    git fetch --quiet --no-tags --no-write-fetch-head --refmap= --no-recurse-submodules "$3" "$4" || exit 1
    has "$2" || {
        echo "$4 of $3 does not hold the commit $2 any more" >&2
        exit 1
    }
fi
count() {
    git rev-list --count "$@"
}
comes=$(count "$1..$2") && goes=$(count "$2..$1") && alone=$(count "$1" --not "$2" --remotes --tags) || exit 1
known=yes
if [ -z "$own" ] && [ -n "$(git remote)" ]; then
    known=$(git for-each-ref --count=1 --contains "$2" --format=yes refs/remotes refs/tags) || exit 1
fi
printf '%s\0%s\0%s\0%s\0' "$comes" "$goes" "$alone" "${known:-no}"
git log -z --max-count=10 --format='%h %s' "$1..$2" || exit 1
printf '\0\0'
git diff --raw -z --no-renames --no-abbrev --ignore-submodules=none "$1" "$2"
