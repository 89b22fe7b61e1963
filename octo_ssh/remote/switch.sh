# Point `current` at a release folder, at once or not at all; without one, remove it. Words: to folder|'' epoch token
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 022
absolute "$1"
o_to=$o_at
check_place
[ -d "$o_to/.octo-ssh" ] || fail "$o_to is not a place of octo-ssh"
if [ -e "$o_to/current" ] && [ ! -L "$o_to/current" ]; then
	fail "$o_to/current is not a symbolic link: octo-ssh does not replace it; move it away"
fi
[ -z "$2" ] || { [ -d "$o_to/releases/$2" ] && [ ! -L "$o_to/releases/$2" ] && [ -f "$o_to/releases/$2.json" ]; } ||
	fail "$o_to/releases/$2 is not a complete release"
flip "$3" "$4" "$2"
flush "$o_to"
finish 0
