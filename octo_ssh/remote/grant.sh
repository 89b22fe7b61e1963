# Give the right to switch `current` to the lease's holder; tell what it points at. Where there is no place yet, `build`
# gives the right. Words: to epoch token void
#   void: an epoch that has the right and is none of this lock's, which was made anew; empty for none
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 022
absolute "$1"
o_to=$o_at
check_place
if [ -d "$o_to/.octo-ssh" ]; then
	[ -z "$4" ] || rm -rf -- "$o_to/.octo-ssh/.flip.$4".*
	grant_flip "$2" "$3"
fi
o_place=ours
read_current
[ "$o_place" = ours ] || fail "$o_to: $o_owner"
mark current
printf %s "$o_current"
finish 0
