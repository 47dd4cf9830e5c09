# Dependencies of the working folder, in a folder of their own: OPERATION TOOL FOLDER UNIT, and for what installs the words of the
# program behind them. Needs a POSIX shell, the GNU or busybox tools for files, flock, and what installs. Beside the folder `X` lies `.windlass-X`:
# `UNIT/X` in it is the new one until the two change places, and the old one from then on; `state` says what X was installed from.
# What changes something holds a lock, which what it starts does not; a look waits for it.
LC_ALL=C
export LC_ALL

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

say() {
    printf '%s\t%s\n' "$1" "$2"
}

durable() {
    sync -f -- "$parent" 2>/dev/null || sync
}

ino_of() {
    stat -c %d:%i -- "$1" 2>/dev/null
}

sum_of() {
    sha256sum | cut -d ' ' -f 1
}

# Files that say what is installed, with those that they name; `moving` where that says nothing of what is got.
lists() { # depth, file …
    [ "$1" -lt 10 ] || fail "lists of requirements name each other without an end"
    depth=$(($1 + 1))
    shift
    for list; do
        [ -f "$list" ] || fail "there is no $list"
        printf '%s\n' "$list"
        sum_of <"$list"
        [ "$tool" = pip ] || continue
        sed 's/[[:space:]]#.*//; s/^[[:space:]]*//; s/[[:space:]]*$//' "$list" | while read -r line; do
            case $line in
            -r* | --requirement* | -c* | --constraint*)
                name=$(printf '%s' "$line" | sed 's/^-[rc][[:space:]]*//; s/^--[a-z]*[[:space:]=]*//')
                case $name in
                /*) ;;
                *) name=$(dirname -- "$list")/$name ;;
                esac
                (lists "$depth" "$name") || exit 1
                ;;
            -e* | --editable* | . | ./* | ../* | /* | file:* | *" @ "* | git+*) echo moving ;;
            esac
        done || exit 1
    done
}

# Versions of what installs.
versions() {
    if [ "$tool" = pip ]; then
        "$real/bin/python" -c 'import sys; print(sys.version.replace("\n", " "), getattr(sys, "_base_executable", ""))'
    else
        node --version && npm --version
    fi
}

# Names of what is installed, with versions where they are a part of them.
names() {
    if [ "$tool" = pip ]; then
        (cd "$1" 2>/dev/null && find lib lib64/ -maxdepth 3 \( -name '*.dist-info' -o -name '*.egg-info' -o -name '*.egg-link' \) 2>/dev/null | sed 's|.*/||; s|\.[a-z]*-[a-z]*$||' | sort -u)
    else
        (cd "$1" 2>/dev/null && {
            find . -mindepth 1 -maxdepth 1 ! -name '.*' | sort
            find . -mindepth 2 -maxdepth 2 -path './@*' | sort
            [ ! -f .package-lock.json ] || sum_of <.package-lock.json
        })
    fi
}

# Files that were written since.
since() { # folder, stamp
    (cd "$1" && find . -name __pycache__ -prune -o -path './.*' -prune -o -type f -newer "$2" -print | head -n 20)
}

# The folders change places: at one moment where the kernel can, else for some milliseconds nothing is there.
exchange() {
    code='import ctypes, os, sys
a, b = map(os.fsencode, sys.argv[1:])
sys.exit(ctypes.CDLL(None).renameat2(-100, a, -100, b, 2) != 0)'
    for python in "$real/bin/python" "$own/$base/bin/python" python3; do
        "$python" -c "$code" "$real" "$own/$base" 2>/dev/null && return
    done
    mv -T -- "$real" "$own/was" && mv -T -- "$own/$base" "$real" && mv -T -- "$own/was" "$own/$base"
}

# Ends an exchange that was killed between its renames: `was` goes where it was going, or where it came from.
mend() {
    [ -e "$own/was" ] || return 0
    if [ -e "$real" ]; then
        mv -T -- "$own/was" "$own/$base"
    else
        mv -T -- "$own/was" "$real"
    fi
}

where() {
    case $folder in
    /*) abs=$folder ;;
    *) abs=$PWD/${folder#./} ;;
    esac
    abs=$(cd -- "$(dirname -- "$abs")" && pwd)/${abs##*/} || exit 1
    real=$(readlink -f -- "$abs") && [ -n "$real" ] || fail "there is no folder for $folder"
    base=${real##*/}
    parent=${real%/*}
    aside=$parent/.windlass-$base
    own=$aside/$unit
}

# What the folder is installed from, if it is installed from what is there now.
key() {
    text=$(lists 0 "$@") && versions=$(versions) || exit 1
    # Settings that lie beside them.
    [ ! -f .npmrc ] || text=$text$(sum_of <.npmrc)
    case $text in
    *moving*) echo moving ;;
    *) printf '%s\n%s\n%s\n' "$text" "$versions" "$words" | sum_of ;;
    esac
}

look() { # list …
    say abs "$abs"
    say ino "$(ino_of "$real")"
    say own "$(ino_of "$own/$base")"
    say was "$(ino_of "$own/was")"
    say new "$(cat "$own/ino" 2>/dev/null)"
    say free "$(df -Pk -- "$parent" | awk 'NR == 2 { print $4 }')"
    say kib "$(du -sk -- "$real" 2>/dev/null | cut -f 1)"
    say state "$(cat "$aside/state" 2>/dev/null)"
    say names "$(names "$real" | sum_of)"
    [ $# -gt 0 ] || return 0
    if [ "$tool" = pip ]; then
        [ -e "$real" ] || fail "there is no environment $folder: \`python3 -m venv $folder\` makes one"
        [ -f "$real/pyvenv.cfg" ] || fail "$folder is no virtual environment: it has no pyvenv.cfg"
    fi
    now=$(key "$@") || exit 1
    say key "$now"
}

installed() {
    names "$real" | sed 's/^/package	/'
}

# In a file, one path in place of another.
renamed='import os, sys
path, old, new = map(os.fsencode, sys.argv[1:])
with open(path, "r+b") as file:
    text = file.read().replace(old, new)
    file.seek(0)
    file.write(text)
    file.truncate()'

# The new environment: what is there now, and pip in it, so that all that pip leaves alone is as it was.
build_pip() {
    if "$real/bin/python" -c 'import pip' 2>/dev/null; then
        cp -a -- "$real" "$own/$base" || exit 1
    else
        # Another interpreter than it was made for stands behind it.
        "$("$real/bin/python" -c 'import sys; print(sys._base_executable)')" -m venv "$own/$base" || exit 1
    fi
    PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 "$own/$base/bin/python" -m pip "$@" || exit 1
    # Scripts name the interpreter by its whole path: by the one that it will have.
    find "$own/$base" -name '*.pyc' -prune -o -type f -exec grep -lF -- "$own/$base" {} + >"$own/names"
    while read -r file; do
        case ${file#"$own/$base/"} in
        bin/* | pyvenv.cfg) "$own/$base/bin/python" -c "$renamed" "$file" "$own/$base" "$abs" || exit 1 ;;
        # What pip notes of what it has installed is not read as a path.
        *.dist-info/*) ;;
        *) fail "$file holds the path that it was made at, so it cannot be moved" ;;
        esac
    done <"$own/names"
}

# The project as it is, but for what is installed.
build_npm() {
    mkdir -- "$own/stage" || exit 1
    for file in "$PWD"/* "$PWD"/.[!.]*; do
        name=${file##*/}
        case $name in
        node_modules | .windlass-*) ;;
        package.json | package-lock.json | .npmrc) cp -- "$file" "$own/stage/$name" || exit 1 ;;
        *) [ ! -e "$file" ] || ln -s -- "$file" "$own/stage/$name" || exit 1 ;;
        esac
    done
    (cd "$own/stage" && npm "$@") || exit 1
    [ -d "$own/stage/node_modules" ] || mkdir -- "$own/stage/node_modules" || exit 1
    mv -T -- "$own/stage/node_modules" "$own/$base" && rm -rf -- "$own/stage"
}

build() { # the old one's number, key, words …
    had=$1 wanted=$2
    shift 2
    mend || exit 1
    # What lies aside may be the old one otherwise.
    [ "$(ino_of "$real")" = "$had" ] || fail "$folder is not the one any more that it was"
    rm -rf -- "$own" && mkdir -- "$own" || exit 1
    # Whoever listens may be gone before it ends, and to write to nobody would end it.
    ("build_$tool" "$@" 9>&-) >"$aside/log" 2>&1 || {
        rm -rf -- "$own"
        cat -- "$aside/log" >&2
        exit 1
    }
    ino_of "$own/$base" >"$own/ino" || exit 1
    names "$own/$base" | sum_of >"$own/names"
    durable
    : >"$own/stamp"
    if [ -n "$had" ]; then
        exchange || fail "the folders could not change places"
    else
        mv -T -- "$own/$base" "$real" || exit 1
    fi
    [ ! -f "$aside/state" ] || cp -- "$aside/state" "$own/state"
    printf '%s %s\n' "$wanted" "$(cat "$own/names")" >"$aside/state.new" && mv -- "$aside/state.new" "$aside/state"
    # Room is not endless: the way back is kept for the last releases.
    find "$aside" -mindepth 1 -maxdepth 1 -type d -exec ls -1dt -- {} + | tail -n +4 | while read -r old; do
        rm -rf -- "$old"
    done
    durable
    cat -- "$aside/log"
}

# The old one takes its place again, if nothing was done to the new one.
back() { # the old one's number
    mend || exit 1
    now=$(ino_of "$real")
    if [ "$now" != "$1" ] && [ -n "$now" ]; then
        [ "$now" = "$(cat "$own/ino")" ] || fail "$folder is neither the old nor the new one any more"
        changed=$(since "$real" "$own/stamp")
        [ -z "$changed" ] || fail "$folder was changed since: $(printf '%s' "$changed" | tr '\n' ' ')"
        [ "$(names "$real" | sum_of)" = "$(cat "$own/names")" ] || fail "what is installed in $folder was changed since"
        if [ -n "$1" ]; then
            exchange || fail "the folders could not change places"
        else
            mv -T -- "$real" "$own/$base" || exit 1
        fi
        if [ -f "$own/state" ]; then mv -- "$own/state" "$aside/state"; else rm -f -- "$aside/state"; fi
    fi
    [ "$(ino_of "$real")" = "$1" ] || fail "the old $folder is not there any more"
    rm -rf -- "$own"
    durable
}

operation=$1 tool=$2 folder=$3 unit=$4 words=$5
shift 5
where
command -v flock >/dev/null || fail "there is no flock"
case $operation in
look | installed)
    if [ -e "$aside/lock" ]; then
        exec 9<"$aside/lock"
        flock -s 9
    fi
    ;;
*)
    mkdir -p -- "$aside" || exit 1
    # git takes no notice of it.
    [ -e "$aside/.gitignore" ] || echo '*' >"$aside/.gitignore"
    exec 9>>"$aside/lock"
    flock -n 9 || fail "something else installs there"
    ;;
esac
"$operation" "$@"
