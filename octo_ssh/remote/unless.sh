# Whether steps are done already: run a command for each, one after another; their output is dropped.
# Words: input-bytes separator mark limit-s dividers (one character for each command: of its exports and script)
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0
must_keep_secrets
o_size=$1
o_mark=$3
o_limit=$4
o_dividers=$5
o_all=$(head -c "$1" 2>/dev/null; printf .)
case $o_all in
*"$2". | .) o_all=${o_all%.} ;;
*) fail 'the input was cut off' ;;
esac

# One command: exports and script on standard input, ended by $1. Section `exit-STATUS`.
attempt() {
	take_script "$o_size" "$1"
	cd -- "${HOME:-/}" 2>/dev/null || cd /
	read_clock
	o_until=$((o_second + o_limit))
	start_script "$o_mark" >/dev/null
	watch_input "$o_child" "$o_mark"
	watch_clock "$o_child" "$o_mark"
	o_script=
	wait "$o_child"
	o_status=$?
	kill "$o_watcher" "$o_clock" 2>/dev/null
	wait "$o_clock"
	[ $? -ne 75 ] || o_status=124
	wait "$o_watcher"
	[ $? -ne 75 ] || fail cancelled
	mark "exit-$o_status"
}

set -f
IFS=$2
# shellcheck disable=SC2086
set -- $o_all
unset IFS
set +f
o_all=
while [ -n "$o_dividers" ] && [ $# -gt 0 ]; do
	o_left=${o_dividers#?}
	printf %s "$1" | (
		o_mark=$o_mark-$#
		shift $#
		attempt "${o_dividers%"$o_left"}"
	) || exit
	o_dividers=$o_left
	shift
done
finish 0
