# A deadline for a script that child.sh runs. Expects $o_until, in seconds of read_clock.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# In the background: when time is over, end the script. Status 75 tells that this happened. $1: session, $2: mark.
watch_clock() {
	(
		trap 'exit 0' TERM
		o_second=$o_until
		# One long sleep might be left behind: a signal that comes while it is being made is lost.
		while [ "$o_second" -le "$o_until" ]; do
			sleep 1 3<&- &
			wait "$!"
			read_clock
		done
		trap '' TERM
		end_all "$1" "$2"
		exit 75
	) >/dev/null 2>&1 &
	o_clock=$!
}
