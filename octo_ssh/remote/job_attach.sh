# Hand on what a job prints, from a byte on, until it has ended. Words: folder|. mark offset take-void(0|1) boot|''
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0
go_to_job "$1" "$2"
clock
# A launch that was on its way finds this and does nothing. After another boot, `go` may be what was lost.
if [ "$4" -eq 1 ] && { [ -z "$5" ] || [ "$5" = "$o_boot" ]; }; then ln -sn void go 2>/dev/null; fi
read_go go
mark output
if is_alive; then
	if [ -p ctl ] && [ ! -L ctl ]; then exec 5<>ctl; fi
	stream_log "$(($3 + 1))" leave
elif [ -f log ]; then
	tail -c "+$(($3 + 1))" log
fi
tell_end
