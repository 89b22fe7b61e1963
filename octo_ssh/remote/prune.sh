# Remove release folders that are neither current nor named, and what unfinished builds left; tell how the current one
# stands now. Words: to folder…
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
absolute "$1"
o_to=$o_at
shift
check_place
look_at_find
o_place=ours
read_current
[ "$o_place" = ours ] || fail "$o_to: $o_owner"
cd -- "$o_to/releases" 2>/dev/null || finish 0
alone_in_place

# Sections `owner`: whose the folder $1 is; `strangers`: the entries in it that belong to somebody else, owner and path
# ended by NUL each, and cut off where there are too many. Compressed: gzip -1.
tell_owners() (
	cd -- "$1" 2>/dev/null || exit 0
	o_owner=$(stat -c '%u:%g' .)
	mark owner
	printf %s "$o_owner"
	mark strangers
	if [ -n "$o_printf" ]; then
		find . -mindepth 1 ! \( -uid "${o_owner%:*}" -gid "${o_owner#*:}" \) -printf '%U:%G\0%p\0' 2>/dev/null
	else
		find . -mindepth 1 ! \( -user "${o_owner%:*}" -group "${o_owner#*:}" \) -exec sh -c '
			for e; do printf "%s\0%s\0" "$(stat -c %u:%g -- "$e")" "$e"; done' sh {} + 2>/dev/null
	fi | head -c 5000000 | gzip -1
)

for o_name in *; do
	case $o_name in
	*.json)
		# A manifest without its folder is what a commit left that was cut short.
		if [ ! -e "${o_name%.json}" ]; then rm -f -- "$o_name"; fi
		continue
		;;
	esac
	if [ ! -d "$o_name" ] || [ -L "$o_name" ] || [ ! -f "$o_name.json" ]; then continue; fi
	o_keep=0
	[ "$o_name" != "$o_current" ] || o_keep=1
	for o_kept; do
		[ "$o_name" != "$o_kept" ] || o_keep=1
	done
	[ "$o_keep" -eq 0 ] || continue
	# Under another name it is no release any more, however far the removal comes.
	try "$o_to/releases/$o_name cannot be removed" mv -fT -- "$o_name" ".$o_name.tmp"
	try "$o_to/releases/$o_name cannot be removed" rm -f -- "$o_name.json"
	chmod -R u+rwX -- ".$o_name.tmp" 2>/dev/null
	try "$o_to/releases/$o_name cannot be removed" rm -rf -- ".$o_name.tmp"
	mark removed
	printf %s "$o_name"
done
clear_place
if [ -n "$o_current" ]; then
	mark fingerprint
	fingerprint "$o_to/releases/$o_current"
	tell_owners "$o_to/releases/$o_current"
fi
finish 0
