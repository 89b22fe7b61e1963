# Renew the lease. Words: root epoch token ttl
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
find_root "$1"
check_lease "$2" "$3"
clock
o_who=${o_lease#*:*:*:*:}
o_link=$o_root/lock/$2
rm -f -- "$o_link.n.$$"
try 'the lock cannot be renewed' ln -sn "$3:$4:$o_boot:$o_now:$o_who" "$o_link.n.$$"
try 'the lock cannot be renewed' mv -fT "$o_link.n.$$" "$o_link.r"
check_lease "$2" "$3"
finish 0
