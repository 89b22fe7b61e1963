# Run a script once; it ends with the connection. Words: cwd input-bytes divider mark
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0
take_script "$2" "$3"
enter "$1" /
mark output
start_script "$4"
watch_input "$o_child" "$4"
o_script=
wait "$o_child"
o_status=$?
kill "$o_watcher" 2>/dev/null
wait "$o_watcher"
[ $? -ne 75 ] || mark cancelled
mark "exit-$o_status"
finish 0
