# Remove what is left of timers that have nothing to decide any more. Words: to
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
absolute "$1"
o_to=$o_at
check_place
clock
# What arming left that was cut off.
rm -rf -- "$o_to"/.octo-ssh/.arm.*
for o_dir in "$o_to"/.octo-ssh/confirm.*; do
	if [ -L "$o_dir" ] || [ ! -d "$o_dir" ]; then continue; fi
	read_timer "$o_dir"
	read_state "$o_dir"
	[ -n "$o_pid" ] || [ "$o_state" = armed ] || rm -rf -- "$o_dir"
done
finish 0
