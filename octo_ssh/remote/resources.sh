# Files and units, in one go. Words: n, n times path and sha256|'', then units
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
o_left=$1
shift
while [ "$o_left" -gt 0 ]; do
	place_of "$1"
	tell_file "$2"
	shift 2
	o_left=$((o_left - 1))
done
[ $# -eq 0 ] || tell_units "$@"
finish 0
