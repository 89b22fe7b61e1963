# A deadline for a script that child.sh runs. Expects $o_until, in seconds of read_clock.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# In the background: when time is over, end the script. Status 75 tells that this happened. $1: session, $2: mark.
watch_clock() {
	(
		trap 'kill $o_sleep; exit 0' TERM
		read_clock
		sleep "$((o_until - o_second + 1))" 3<&- &
		o_sleep=$!
		wait "$o_sleep"
		trap '' TERM
		end_all "$1" "$2"
		exit 75
	) >/dev/null 2>&1 &
	o_clock=$!
}
