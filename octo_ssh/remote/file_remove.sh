# Remove a file; that it is gone already is fine. Words: path expected-kind|''
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
place_of "$1"
see_file
case $o_kind in
absent) ;;
file)
	[ "${2:-file}" = file ] || fail "$o_at was seen as: $2; and is now: file. Somebody else is at work there: plan again"
	o_path=$o_at
	walk "${o_at%/*}" 0
	[ -f "./${o_path##*/}" ] || fail "$o_path is being changed by somebody else: plan again"
	try "$o_path cannot be removed" rm -f -- "./${o_path##*/}"
	flush .
	o_at=$o_path
	;;
link) fail "$o_at is a symbolic link: octo-ssh does not follow it; remove it" ;;
unreadable) fail "$o_at cannot be looked at by $(id -un)" ;;
*) fail "$o_at is not a regular file: octo-ssh removes nothing else" ;;
esac
tell_file ''
finish 0
