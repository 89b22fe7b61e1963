# Append to the journal and replace the baseline, under the lease. What is written already is not written twice.
# Words: root epoch token project environment head-before head-after input-bytes divider
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
[ -d "$o_root" ] || fail "$o_root is gone"
take_two "$8" "$9"
take_turns
check_lease "$2" "$3"
{ follows "$6" "$7" && write_memory "$4" "$5"; } || fail "$o_wrong"
finish 0
