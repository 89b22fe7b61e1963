# Hand over one file. Words: path cwd|'' most-bytes
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
case $1 in
/*) o_file=$1 ;;
*)
	absolute "$2"
	o_file=$o_at/$1
	;;
esac
# Nothing but a plain file: reading a fifo or a device might never end.
if [ ! -f "$o_file" ]; then
	if [ -e "$o_file" ] || [ -L "$o_file" ]; then fail "$o_file is not a plain file"; fi
	fail "$o_file is not there, or its folder may not be entered"
fi
o_said=$({ true <"$o_file"; } 2>&1) || fail "$o_file may not be read"
o_size=$(stat -L -c %s -- "$o_file") || fail "$o_file cannot be looked at"
[ "$o_size" -le "$3" ] || fail "$o_file has $o_size bytes; $3 is the most that is copied"
mark size
printf '%s' "$o_size"
mark output
head -c "$o_size" -- "$o_file" 2>/dev/null || o_broken=1
mark after
[ "${o_broken-0}" -eq 0 ] || fail "$o_file could not be read to its end"
[ "$(stat -L -c %s -- "$o_file")" -ge "$o_size" ] || fail "$o_file became shorter while it was read"
finish 0
