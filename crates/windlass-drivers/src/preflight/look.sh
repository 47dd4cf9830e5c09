# Looks at one host before a release, for a controller here or elsewhere; changes nothing. Read by `sh -s`. Needs a POSIX shell, and
# date, df, sed and sudo as far as they are there: what they do not say is not known.
#
# Before it stands the variable base (what relative paths begin with; empty: the home folder), and the function `say`. Behind it stands a
# line for each question, with its number. What it says: `clock S`, `there N`, `missing N`, `unseen N`, `disk N KIB INODES FOLDER`,
# `done`.
base=${base:-${HOME:-/nonexistent}}
say "clock $(date +%s 2>/dev/null)"

look_absolute() { # path
    case $1 in
    /*) at=$1 ;;
    "") at=$base ;;
    *) at=$base/$1 ;;
    esac
}

# The functions have names that no program has: `command -v` finds functions, too.

# The nearest folder above a path that is there.
look_nearest() { # path
    near=/
    case $1 in
    /*) near=$1 ;;
    esac
    until [ -d "$near" ]; do
        near=${near%/*}
        near=${near:-/}
    done
}

look_program() { # number, name
    if command -v "$2" >/dev/null 2>&1; then say "there $1"; else say "missing $1"; fi
}

# Where sudo looks is said in a file that this user cannot read: what is nowhere here may be there.
look_by_sudo() { # number, name
    if (
        PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        command -v "$2" >/dev/null 2>&1
    ); then say "there $1"; else say "unseen $1"; fi
}

look_path() { # number, test, path
    look_absolute "$3"
    look_nearest "${at%/*}"
    if [ "$2" "$at" ]; then
        say "there $1"
    elif [ -x "$near" ]; then
        say "missing $1"
    else
        say "unseen $1"
    fi
}

# Whether root may run it, this user cannot see; nor always whether it is there.
look_path_by_sudo() { # number, path
    look_absolute "$2"
    if [ -e "$at" ]; then say "there $1"; else say "unseen $1"; fi
}

look_password() { # number
    command -v sudo >/dev/null 2>&1 || {
        say "missing $1"
        return 0
    }
    if sudo -n -l </dev/null >/dev/null 2>&1 || sudo -n true </dev/null >/dev/null 2>&1; then
        say "there $1"
    else
        say "unseen $1"
    fi
}

# What is left of a file system. Where the whole is nothing, as of inodes where there is no number of them, nothing is known.
look_left() { # option, folder
    df -P "$1" "$2" 2>/dev/null </dev/null |
        sed -n '$s/.* [1-9][0-9]*  *[0-9][0-9]*  *\([0-9][0-9]*\)  *[0-9][0-9]*%.*/\1/p'
}

look_disk() { # number, path
    look_absolute "$2"
    look_nearest "$at"
    kib=$(look_left -k "$near")
    inodes=$(look_left -i "$near")
    say "disk $1 ${kib:--} ${inodes:--} $near"
}

# Where Windlass keeps what lines say.
look_state() { # number
    state=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/windlass
    case $state in
    /*) ;;
    *) state=${HOME:-/nonexistent}/.local/state/windlass ;;
    esac
    look_disk "$1" "$state"
}

look_images() { # number
    root=$(docker info -f '{{.DockerRootDir}}' 2>/dev/null </dev/null)
    case $root in
    /*) look_disk "$1" "$root" ;;
    *) say "unseen $1" ;;
    esac
}
