# Start a job, and hand on what it prints until it has ended. $o_supervisor is the text of job_supervise.sh.
# Words: folder|. mark cwd|'' seconds limit-bytes leave|end beat|'' step part digest input-bytes divider
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0 4>&1
must_run_scripts
o_input=$(head -c "${11}" <&3 2>/dev/null; printf .)
case $o_input in
*"${12}"*"${12}".) o_input=${o_input%.} ;;
*) fail 'the input was cut off' ;;
esac
go_to_job "$1" "$2"
[ ! -L ../over ] || fail 'the run was overtaken: it begins nothing any more'
clock
read_go go
case $o_go in
void) tell_end ;;
?*) fail 'the job was launched before' ;;
esac
[ -z "$7" ] || [ -f "$7" ] || fail 'the target went back by itself before this could begin'
o_cwd=$(enter "$3" .. >&4 && pwd)
[ -n "$o_cwd" ] || exit
# The login's umask is for the script: it may forbid everything to everybody.
o_mask=$(umask)
umask 077
{ true >log; } 2>/dev/null || fail "nothing can be written in the job's folder: is the disk full?"
# What can be given up for the last words, when the disk is full.
printf '%8192s' '' 2>/dev/null >ballast
umask "$o_mask"
[ -p ctl ] || o_said=$(mkfifo -m 666 ctl 2>&1) || fail "the job's fifo cannot be made: $o_said"
exec 5<>ctl
mark output
# Its text, too, is kept out of argument lists: they are for people to read.
# shellcheck disable=SC2016
printf '%s\n%s' "$2" "$o_input" |
	OCTO_MARK=$o_half.job o_supervisor=$o_supervisor setsid sh -c 'eval "$o_supervisor"' octo-job \
		"$o_cwd" "$4" "$5" "$7" "$8" "$9" "${10}" "${11}" "${12}" >/dev/null 2>&1 3<&- 4>&- 5>&- &
o_pid=$!
o_input=
look_at_process "$o_pid"
o_go='run/'
o_there=$o_boot
o_began=$o_start
stream_log 1 "$6"
if [ ! -L go ]; then
	ln -sn void go
	fail 'the script could not be started: is the disk full?'
fi
tell_end
