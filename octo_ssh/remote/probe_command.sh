# Run a script until it succeeds. Words: root run|'' cwd|'' input-bytes divider mark within-s every-s
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0
take_script "$4" "$5"
absolute "$1"
o_folder=$o_at/work/$2
[ -n "$2" ] || o_folder=/
enter "$3" "$o_folder"
read_clock
o_until=$((o_second + $7))

# One try, no longer than there is time; its status.
attempt() {
	start_script "$1"
	watch_input "$o_child" "$1"
	watch_clock "$o_child" "$1"
	wait "$o_child"
	o_status=$?
	kill "$o_watcher" "$o_clock" 2>/dev/null
	wait "$o_watcher"
	[ $? -ne 75 ] || o_status=cancelled
	wait "$o_clock"
	[ $? -ne 75 ] || o_status=late
	printf '%s' "octo-$o_nonce-$o_status"
}

while :; do
	o_said=$(attempt "$6" | tail -c 65536)
	o_status=${o_said##*"octo-$o_nonce-"}
	o_said=${o_said%"octo-$o_nonce-"*}
	case $o_status in 0 | cancelled | late) break ;; esac
	may_try_again "$8" || break
	sleep "$o_nap"
done
mark last
printf %s "$o_said"
mark "exit-${o_status:-cancelled}"
finish 0
