# End whoever's lease there is. Words: root
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
find_root "$1"
read_lease
tell_lease
[ -z "$o_lease" ] || end_lease "$o_epoch"
finish 0
