# Give a release that was built its name: manifest first, then the folder. That it has it already is fine.
# Words: to folder manifest-sha256
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
absolute "$1"
o_to=$o_at
check_place
o_part=$o_to/releases/.$2.tmp
o_done=$o_to/releases/$2
o_want=$3

# File $1 is the manifest of the release.
right() {
	[ -f "$1" ] && [ ! -L "$1" ] || return 1
	o_sum=$(sha256sum <"$1")
	[ "${o_sum%% *}" = "$o_want" ]
}

# The end where it cannot be done: nothing is left. $1: why.
give_up() {
	[ -d "$o_done" ] || rm -f -- "$o_done.json"
	clear_place
	fail "$1; $(room "$o_to")"
}

alone_in_place
if [ -d "$o_done" ] && [ ! -L "$o_done" ] && right "$o_done.json"; then
	clear_place
	finish 0
fi
[ ! -e "$o_done" ] && [ ! -L "$o_done" ] || fail "$o_done exists: a complete release is never written again"
# An earlier try may have come as far as the manifest.
o_manifest=$o_part.json
[ -e "$o_manifest" ] || o_manifest=$o_done.json
if [ ! -d "$o_part" ] || ! right "$o_manifest"; then fail "$o_part was not built"; fi
sync -f "$o_part" 2>/dev/null || sync
if [ "$o_manifest" != "$o_done.json" ]; then
	o_said=$(mv -fT "$o_part.json" "$o_done.json" 2>&1) || give_up "$o_done cannot be made: $o_said"
fi
o_said=$(mv -T "$o_part" "$o_done" 2>&1) || give_up "$o_done cannot be made: $o_said"
flush "$o_to/releases"
clear_place
finish 0
