# What programs about a job share. They stand in its folder; job.py says what lies there.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Go to the job's folder $1, and make it where it is missing; with `.` we are there. $2: its mark. $o_half: what its
# processes carry.
go_to_job() {
	o_half=${2%????????????????}
	[ "$1" != . ] || return 0
	absolute "$1"
	no_trap "$o_at"
	[ -d "$o_at" ] || o_said=$(umask 077 && mkdir -p -- "$o_at" 2>&1) || fail "$o_at cannot be made: $o_said"
	cd -- "$o_at" 2>/dev/null || fail "$o_at cannot be entered"
}

# $o_go: what the link $1 says; where somebody runs the job, also $o_there, $o_pid, $o_began: boot, process, its start.
read_go() {
	o_go=
	[ ! -L "$1" ] || o_go=$(readlink "$1")
	o_rest=${o_go#run/}
	o_there=${o_rest%%/*}
	o_rest=${o_rest#*/}
	o_pid=${o_rest%%/*}
	o_rest=${o_rest#*/}
	o_began=${o_rest%%/*}
}

# $o_start: when process $1 began, in ticks since the boot; empty where that cannot be seen, `gone` for a zombie.
look_at_process() {
	o_start=
	o_stat=
	{ while IFS= read -r o_line; do o_stat=$o_stat$o_line; done <"/proc/$1/stat"; } 2>/dev/null
	# shellcheck disable=SC2086
	set -- ${o_stat##*\) }
	case ${1-} in
	'') ;;
	[ZX]) o_start=gone ;;
	*) o_start=${20} ;;
	esac
}

# Whether whoever runs the job ($o_there, $o_pid, $o_began) is there still. A number alone may be another's by now.
is_alive() {
	case $o_go in run/*) ;; *) return 1 ;; esac
	case $o_pid in '' | *[!0-9]*) return 1 ;; esac
	[ "$o_there" = "$o_boot" ] || return 1
	look_at_process "$o_pid"
	if [ -n "$o_start" ]; then
		[ "$o_start" = "$o_began" ]
	else
		# Where /proc hides the processes of others, all we know is that there is one.
		case $(LC_ALL=C kill -0 "$o_pid" 2>&1) in *ermitted*) ;; *) return 1 ;; esac
	fi
}

# Hand on the log from byte $1, the first is 1, until the job has ended. When input ends, hang up: $2 says what then.
# Expects $o_boot, and what read_go sets; descriptor 3 is the input, 5 the job's fifo.
stream_log() {
	exec 2>/dev/null
	case $(tail --version) in
	*GNU*) tail -q -c "+$1" -f -s 0.1 --pid="$o_pid" log & ;;
	*) follow_log "$1" & ;;
	esac
	o_tail=$!
	listen "$2" &
	o_listener=$!
	wait "$o_tail"
	kill "$o_listener"
	if is_alive; then exit 0; fi
}

# As that tail does, for others. Who reads from a descriptor goes on where the one before has stopped.
follow_log() {
	exec 6<log
	[ "$1" -eq 1 ] || dd bs=1 count=0 skip="$(($1 - 1))" <&6
	while :; do
		if is_alive; then o_again=1; else o_again=0; fi
		cat <&6 || return
		[ "$o_again" -eq 1 ] || return
		sleep 0.1 || sleep 1
	done
}

# `stop`: end the script. The end of input without it: with `end`, too; with `leave`, only this ends.
listen() {
	while read -r o_line <&3; do
		if [ "$o_line" = stop ]; then
			printf 'stop\n' >&5
			return
		fi
	done
	if [ "$1" = end ]; then printf 'stop\n' >&5; else kill "$o_tail"; fi
}

# How the job ended, for when its log does not say so.
tell_end() {
	read_go go
	o_end=
	[ ! -L status ] || o_end=$(readlink status)
	if [ "$o_go" = void ]; then
		mark void
	elif [ -n "$o_end" ]; then
		mark "exit-$o_end"
	else
		end_what_is_left
		mark lost
	fi
	finish 0
}

# End what a job left running whose supervisor is gone, and the supervisor's own helpers.
end_what_is_left() {
	if [ "$o_go" = "${o_go#run/}" ] || [ "$o_there" != "$o_boot" ]; then return; fi
	end_all none "$o_half"
	o_left=$o_names
	end_all none "$o_half.job"
	rm -f ctl ballast
	if [ -n "$o_left$o_names" ]; then
		mark survivors
		printf '%s' "$o_left$o_names"
	fi
}
