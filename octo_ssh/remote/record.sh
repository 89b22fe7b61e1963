# Append to the journal and replace the baseline, under the lease.
# Words: root epoch token project environment input-bytes divider
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
[ -d "$o_root" ] || fail "$o_root is gone"
take_two "$6" "$7"
check_lease "$2" "$3"
write_memory "$4" "$5"
finish 0
