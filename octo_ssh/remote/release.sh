# Give the lease back, with the last lines. Words: root epoch token run project environment syslog input-bytes divider
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
take_two "$8" "$9"
check_lease "$2" "$3"
write_memory "$5" "$6"
# Under the lease nobody else uses the store: what was sent is in its release, or will be sent again.
rm -rf -- "$o_root/work/$4" "$o_root/store"
end_lease "$2"
[ -z "$7" ] || logger -t octo-ssh -- "$7" </dev/null >/dev/null 2>&1
finish 0
