# Append to the journal and replace the baseline. Words: root project environment input-bytes divider
umask 077
find_root "$1"
[ -d "$o_root" ] || fail "$o_root is gone"
take_two "$4" "$5"
write_memory "$2" "$3"
finish 0
