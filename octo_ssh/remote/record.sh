# Append to the journal and replace the baseline. Words: root project environment input-bytes divider
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
[ -d "$o_root" ] || fail "$o_root is gone"
take_two "$4" "$5"
write_memory "$2" "$3"
finish 0
