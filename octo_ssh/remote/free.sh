# End the lease of epoch and token, whoever holds it, with a line that says so, if it can be written. Its run begins no
# script any more.
# Words: root epoch token head-before head-after input-bytes divider
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
take_two "$6" "$7"
take_turns
read_lease
case $o_epoch:$o_lease in
"$2:$3:"* | "$2:$3")
	tell_lease
	{ follows "$4" "$5" && write_memory '' ''; } || {
		mark unwritten
		printf %s "$o_wrong"
	}
	end_lease "$2"
	clock
	fence_work ''
	;;
*)
	o_lease=
	tell_lease
	;;
esac
finish 0
