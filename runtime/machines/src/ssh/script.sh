# The words in which a machine is told what to do. They need a POSIX shell, coreutils and tar. All
# that they report is marked with the number N, which nothing else on the machine knows.

umask 022
unset CDPATH ENV
export LC_ALL=C
cd -P -- "${HOME:-.}" 2>/dev/null || cd -P . || exit 1
home=$PWD
flock=$(command -v flock) setsid=$(command -v setsid) timeout=$(command -v timeout)

mark() { printf '\n%s %s\n' "$N" "$*"; }
# Where the other stream was, when this one said the same.
both() { printf '\n%s %s\n' "$N" "$*" >&2; mark "$@"; }
go() { i=$1 partial=; mark go "$i"; }
ok() { mark ok "$i" "${1-0}"; }
fail() {
    [ $# -lt 2 ] || printf '%s\n' "$2" >&2
    [ -z "$partial" ] || rm -rf -- "$partial"
    both fail "${i--}" "$1"
    exit 1
}

# Exactly so many bytes of the input.
take() {
    [ "$1" -lt 65536 ] || dd bs=65536 count=$(($1 / 65536)) iflag=fullblock 2>/dev/null
    [ $(($1 % 65536)) = 0 ] || dd bs=$(($1 % 65536)) count=1 iflag=fullblock 2>/dev/null
}
# Whether what came was all, and is what it should be.
meant() { IFS= read -r said && [ "$said" = ok ] || fail conflict 'what was sent is not what was meant'; }

full() { case $1 in /*) p=$1 ;; *) p=$home/$1 ;; esac; }
any() { [ -e "$1" ] || [ -L "$1" ]; }
enter() {
    cd -P -- "$1" 2>/dev/null && return
    ! any "$1" || fail rejected "$1 cannot be entered"
    fail missing "there is no $1"
}
inside() { case $PWD/ in "$root"/*) ;; *) fail denied "$PWD lies outside of $root" ;; esac; }
# Goes to the directory $2, which must lead somewhere below $1.
below() {
    full "$1"; enter "$p"; root=${PWD%/}
    full "$2"; enter "$p"; inside
}
# Goes to where a root itself lies.
beside() { full "$1"; enter "$p"; root=; }
there() { full "$1"; [ -d "$p" ]; }
# Follows what is at ./$1 to its end, which must be below the root.
follow() {
    f=./$1
    [ -L "$f" ] || return 0
    f=$(readlink -f -- "$f") || return 1
    case $f in "$root"/*) ;; *) fail denied "$f lies outside of $root" ;; esac
}

directory() {
    full "$1"; [ -d "$p" ] || mkdir -p -- "$p" || fail rejected
    below "$1" "$1"; shift
    for c; do
        [ -d "./$c" ] || mkdir -- "./$c" || [ -d "./$c" ] || fail rejected
        enter "./$c"; inside
    done
    ok
}
temporary() { t=.$1.$N.new partial=$PWD/.$1.$N.new; }
permissions() {
    if [ -n "$2" ]; then
        chmod -- "$2" "./$t" || fail rejected
    elif [ -f "./$1" ] && [ ! -L "./$1" ]; then
        chmod -- "$(stat -c %a -- "./$1")" "./$t" || fail rejected
    fi
}
# Puts what was made in the place of ./$1, in one step.
into() { mv -fT -- "$partial" "./$1" || fail rejected; partial=; ok; }
written() { permissions "$1" "$2"; sync -- "./$t" 2>/dev/null; into "$1"; }
link() {
    # Where nothing is, nothing is replaced.
    ! any "./$1" && ln -s -- "$2" "./$1" 2>/dev/null && { ok; return; }
    temporary "$1"; ln -s -- "$2" "./$t" || fail rejected; into "$1"
}
rename() { any "$1" || fail missing "there is no $1"; mv -fT -- "$1" "./$2" || fail rejected; ok; }
remove() { ! any "./$1" || rm -rf -- "./$1" || fail rejected; ok; }
contents() {
    any "./$1" && follow "$1" && [ -e "$f" ] || { ok 1; return; }
    [ -f "$f" ] || fail rejected "$1 is not a file"
    s=$(wc -c <"$f") || fail rejected
    [ "$s" -le "$2" ] || fail rejected "$1 has more than $2 bytes"
    mark data $((s)); cat -- "$f" || fail rejected
    ok
}
target() {
    any "./$1" || { ok 1; return; }
    [ -L "./$1" ] || fail rejected "$1 is not a link"
    t=$(readlink -- "./$1" && echo .) || fail rejected
    t=${t%??}
    mark data ${#t}; printf %s "$t"
    ok
}
named() { mark names $#; printf '%s\0' "$@"; stat -c '%s %f' -- "$@" || fail rejected; }
some() {
    any "$1" || return 0
    [ $# -le "$most" ] || fail rejected 'it has too many entries'
    named "$@"
}
entries() {
    mark list; most=$2
    any "./$1" || { ok; return; }
    enter "./$1"; inside
    some ./*; some ./.[!.]*; some ./..?*
    ok
}
entry() { if any "./$1"; then named "./$1"; ok; else ok 1; fi; }

# What appears at ./$1 appears as a whole; false where it is there already.
absent() {
    if any "./$1"; then mark skip "$i"; ok; return 1; fi
    partial=$PWD/$1.partial
    ! any "$partial" || rm -rf -- "$partial" || fail rejected
}
unpack() {
    mkdir -- "$partial" || fail rejected
    # Not `tar -z`, which copies what comes from a pipe once more.
    if [ "$3" = gzip ]; then take "$2" | gzip -dc; else take "$2"; fi |
        { tar --no-same-owner --no-same-permissions -C "$partial" -xf - && cat >/dev/null; } ||
        fail rejected
    meant; into "$1"
}
copy() {
    take "$2" >"$partial" || fail rejected
    meant; chmod -- "$3" "$partial" || fail rejected
    into "$1"
}

# Becomes a program in a process group of its own, which ends after so long.
within() {
    s=$1; shift
    command -v -- "$1" >/dev/null 2>&1 || { mark none; exit 127; }
    read -r me rest 2>/dev/null </proc/self/stat && mark pid "$me"
    [ -z "$timeout" ] || exec "$timeout" -k 2 "$s" "$@" 9>&-
    exec "$@" 9>&-
}
ran() { s=$1; both ran "$i" "$s"; }

# When a process began, and its session; false where it has ended.
seen() {
    began= session=
    if IFS= read -r stat 2>/dev/null <"/proc/$1/stat"; then
        set -f; set -- ${stat##*) }; set +f
        session=$4 began=${20}
        case $1 in Z | X) return 1 ;; esac
    elif [ -e /proc/self/stat ]; then
        return 1
    else
        began=$(ps -o lstart= -p "$1" 2>/dev/null) && [ -n "$began" ]
    fi
}
noted() {
    pid= since=
    [ ! -L "$1" ] || fail denied "$1 is a link"
    read -r pid since 2>/dev/null <"$1"
    case $pid in '' | 1 | *[!0-9]*) pid=; return 1 ;; esac
}
running() { noted "$1" && seen "$pid" && [ "$began" = "$since" ]; }
# What runs still of the session that the noted process led. No other process gets a number that
# is a session's, so where the leader has ended the rest is meant, too.
members() {
    m=
    if seen "$pid"; then m=$pid; fi
    [ -z "$began" ] || [ "$began" = "$since" ] || return 1
    for each in /proc/[0-9]*; do
        each=${each#/proc/}
        [ "$each" != "$pid" ] && seen "$each" && [ "$session" = "$pid" ] || continue
        m="$m $each"
    done
    [ -n "$m" ]
}
nap() { sleep 0.05 2>/dev/null && waited=$((waited + 50)) || { sleep 1; waited=$((waited + 1000)); }; }
gone() {
    waited=0
    while members; do
        [ "$waited" -lt "$1" ] || return 1
        nap
    done
}
stop() {
    if noted "./$1" && members; then
        kill -s TERM $m 2>/dev/null
        if ! gone "$2"; then
            kill -s KILL $m 2>/dev/null
            gone 5000 || fail timeout "process $pid does not end, not even when killed"
        fi
    fi
    remove "$1"
}
# Starts a program with the pid file $1 and the log file $2.
start() {
    a=$1 b=$2; shift 2
    command -v -- "$1" >/dev/null 2>&1 || { mark none; fail missing; }
    [ ! -L "$b" ] || fail denied "$b is a link"
    true >>"$b" && true >"$a" || fail rejected
    s=$(($(wc -c <"$b") + 1))
    if [ -n "$setsid" ] && "$setsid" -f true 2>/dev/null; then
        "$setsid" -f /bin/sh -c "$become" sh "$@" 0>"$a" >>"$b" 2>&1 9>&-
    else
        $setsid /bin/sh -c "$become" sh "$@" 0>"$a" >>"$b" 2>&1 9>&- &
    fi
    waited=0
    until [ "$waited" -ge 100 ] && noted "$a"; do nap; done
    running "$a" && return
    tail -c "+$s" -- "$b" | tail -c 2000
    fail rejected
}

newest() {
    IFS= read -r n 2>/dev/null <"$lock"
    case $n in '' | *[!0-9]*) n=0 ;; esac
    [ "$n" -le "$1" ] || { mark newer "$n"; fail conflict; }
}
# Lets in who carries the newest token: side by side with the same, after all older ones.
fence() {
    full "$1"; [ -d "$p" ] || mkdir -p -- "$p" || fail rejected
    lock=$p/$2
    true >>"$lock" || fail rejected
    if [ -z "$flock" ]; then alone "$3" "$4"; return; fi
    exec 9<>"$lock"
    # What is read without the lock may be older than what is there, and never newer.
    newest "$3"
    if [ "$n" -ne "$3" ]; then
        "$flock" -x -w "$4" 9 || fail timeout "$lock is locked by an earlier deployment"
        newest "$3"
        printf '%020d\n' "$3" 1<>"$lock"
    fi
    "$flock" -s -w "$4" 9 || fail timeout "$lock is locked by an earlier deployment"
    newest "$3"
}
# The same where no program can lock a file: one after the other.
alone() {
    waited=0
    until mkdir -- "$lock.held" 2>/dev/null; do
        read -r holder 2>/dev/null <"$lock.held/pid" && ! kill -0 "$holder" 2>/dev/null && rm -rf -- "$lock.held"
        [ "$waited" -lt "${2}000" ] || fail timeout "$lock is locked by an earlier deployment"
        nap
    done
    trap 'rm -rf -- "$lock.held"' EXIT
    echo $$ >"$lock.held/pid"
    newest "$1"
    printf '%020d\n' "$1" 1<>"$lock"
}

# A script of so many lines, or of so many bytes where it is long: a shell reads lines byte by byte,
# and for a short one that costs less than a program.
while read -r unit n; do
    if [ "$unit" = lines ]; then
        s=
        while [ "$n" -gt 0 ] && IFS= read -r line; do
            s="$s$line
" n=$((n - 1))
        done
        (eval "$s") || exit 1
    else
        (eval "$(dd bs="$n" count=1 iflag=fullblock 2>/dev/null)") || exit 1
    fi
done
