# Run a script until it succeeds. Words: root run cwd|'' input-bytes divider mark within-s every-s
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0
take_script "$4" "$5"
absolute "$1"
enter "$3" "$o_at/work/$2"
o_until=$(($(date +%s) + $7))

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

# In the background: when time is over, end the script.
watch_clock() {
	(
		trap 'kill $o_sleep; exit 0' TERM
		sleep "$((o_until - $(date +%s) + 1))" 3<&- &
		o_sleep=$!
		wait "$o_sleep"
		trap '' TERM
		end_all "$1" "$2"
		exit 75
	) >/dev/null 2>&1 &
	o_clock=$!
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
