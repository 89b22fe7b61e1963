# End a job, and wait for that. Words: folder|. mark
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
go_to_job "$1" "$2"
clock
ln -sn void go 2>/dev/null
read_go go
if is_alive; then
	if [ -L ctl ] || [ ! -p ctl ]; then fail 'the job has no fifo: it cannot be told to stop'; fi
	exec 5<>ctl
	printf 'stop\n' >&5
	read_clock
	o_until=$((o_second + 12))
	while is_alive; do
		may_try_again 1 || fail 'the job was told to stop and goes on all the same'
		sleep 0.1 2>/dev/null || sleep 1
	done
	mark output
	tail -c 8192 log 2>/dev/null
fi
tell_end
