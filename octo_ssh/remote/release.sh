# Give the lease back, with the last lines; also where they cannot be written: then the section `unwritten` says why.
# Words: root epoch token project environment syslog head-before head-after input-bytes divider keep-store(0|1)
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
take_two "$9" "${10}"
take_turns
read_lease
if [ "$o_epoch" = "$2" ] && [ -L "$o_root/lock/$2.x" ]; then
	# An earlier try of this very program came to its end.
	case $(lease_text "$2" 2>/dev/null) in
	"$3:"*) finish 0 ;;
	esac
fi
check_lease "$2" "$3"
# Under the lease nobody else uses these: what was sent is in its release, or will be sent again, and scripts that were
# left have been gone on with, if they were to. First of all, for the lines need room.
[ "${11}" -eq 1 ] || rm -rf -- "$o_root/store"
clock
sweep_work
{ follows "$7" "$8" && write_memory "$4" "$5"; } || {
	mark unwritten
	printf %s "$o_wrong"
}
end_lease "$2"
[ -z "$6" ] || logger -t octo-ssh -- "$6" </dev/null >/dev/null 2>&1
finish 0
