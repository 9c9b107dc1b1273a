IFS= read -r stat </proc/$$/stat && stat=${stat##*) } || stat=
since() { [ $# -ge 20 ] && echo "${20}" || LC_ALL=C ps -o lstart= -p $$; }
set -f
echo "$$ $(since $stat)" >&0
exec "$@" </dev/null
