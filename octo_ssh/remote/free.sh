# End whoever's lease there is. Words: root
find_root "$1"
read_lease
tell_lease
[ -z "$o_lease" ] || end_lease "$o_epoch"
finish 0
