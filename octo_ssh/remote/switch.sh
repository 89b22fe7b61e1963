# Point `current` at a release folder, at once or not at all; without one, remove it. Words: to folder|''
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 022
absolute "$1"
o_to=$o_at
check_place
[ -d "$o_to/.octo-ssh" ] || fail "$o_to is not a place of octo-ssh"
if [ -e "$o_to/current" ] && [ ! -L "$o_to/current" ]; then
	fail "$o_to/current is not a symbolic link: octo-ssh does not replace it; move it away"
fi
if [ -z "$2" ]; then
	try "$o_to/current cannot be removed" rm -f -- "$o_to/current"
	flush "$o_to"
	finish 0
fi
[ -d "$o_to/releases/$2" ] && [ ! -L "$o_to/releases/$2" ] && [ -f "$o_to/releases/$2.json" ] ||
	fail "$o_to/releases/$2 is not a complete release"
o_link=$o_to/.octo-ssh/current.$$
rm -rf -- "$o_link"
try "$o_to/current cannot be made" ln -sn "releases/$2" "$o_link"
o_said=$(mv -fT "$o_link" "$o_to/current" 2>&1) || {
	rm -f -- "$o_link"
	fail "$o_to/current cannot be replaced: $o_said"
}
flush "$o_to"
finish 0
