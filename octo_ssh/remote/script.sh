# Run a script once. Words: root run cwd|'' input-bytes divider mark
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0
must_run_scripts
take_script "$4" "$5"
absolute "$1"
enter "$3" "$o_at/work/$2"
mark output
start_script "$6"
watch_input "$o_child" "$6"
o_script=
wait "$o_child"
o_status=$?
kill "$o_watcher" 2>/dev/null
wait "$o_watcher"
[ $? -ne 75 ] || mark cancelled
mark "exit-$o_status"
finish 0
