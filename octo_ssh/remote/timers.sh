# Releases that wait for a confirmation: <to>/.octo-ssh/confirm.TOKEN for each. One file in it says what it is about, and
# its name says what became of it: `armed` until somebody decides, by renaming it. Renaming needs no room on a full disk,
# and the first one wins. `timer` -> BOOT:PID:START is the process that will go back. Expects $o_to, and $o_boot of clock.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# $o_state of folder $1; empty where it says nothing.
read_state() {
	for o_state in armed confirmed returned reverted overtaken; do
		[ ! -f "$1/$o_state" ] || return 0
	done
	o_state=
}

# $o_start: when process $1 began, in ticks of this boot's clock; empty where it is not there, or dead.
read_start() {
	o_start=
	case $1 in '' | *[!0-9]*) return 0 ;; esac
	o_stat=
	{ while IFS= read -r o_line; do o_stat=$o_stat$o_line; done <"/proc/$1/stat"; } 2>/dev/null || return 0
	# shellcheck disable=SC2086
	set -- ${o_stat##*) }
	case $1 in Z | X | '') ;; *) o_start=${20} ;; esac
}

# Of folder $1: $o_pid, its process where that runs, else empty; $o_restarted, 1 where it was armed before this boot.
read_timer() {
	o_pid=
	o_restarted=0
	o_text=$(readlink "$1/timer" 2>/dev/null) || return 0
	case $o_text in
	"$o_boot":*) o_text=${o_text#"$o_boot:"} ;;
	*)
		o_restarted=1
		return 0
		;;
	esac
	read_start "${o_text%%:*}"
	[ -z "$o_start" ] || [ "$o_start" != "${o_text#*:}" ] || o_pid=${o_text%%:*}
}

# What folder $1 says: token, state, whether its process runs, whether the machine was started since, what it is about,
# what came of it; each ended by NUL.
tell_timer() {
	# The process first: one that ends behind our back has then decided, and we see it.
	read_timer "$1"
	read_state "$1"
	[ -n "$o_state" ] || return 0
	printf '%s\0' "${1##*/confirm.}" "$o_state" "${o_pid:+1}" "$o_restarted" \
		"$(head -c 2000 "$1/$o_state" 2>/dev/null | tr -d '\0')" \
		"$({ head -c 2000 "$1/came" | tr -d '\0'; } 2>/dev/null)"
}

# The section `timers`, where there is any.
tell_timers() {
	o_timers=0
	for o_dir in "$o_to"/.octo-ssh/confirm.*; do
		if [ -L "$o_dir" ] || [ ! -d "$o_dir" ] || [ "$o_timers" -ge 100 ]; then continue; fi
		case ${o_dir##*/confirm.} in *[!0-9A-Za-z]*) continue ;; esac
		[ "$o_timers" -gt 0 ] || {
			clock
			mark timers
		}
		o_timers=$((o_timers + 1))
		tell_timer "$o_dir"
	done
}

# Wait until the process of folder $1, in which somebody has decided, has ended, $2 seconds at most; $o_pid: it has not.
end_timer() {
	read_clock
	o_until=$((o_second + $2))
	while :; do
		read_timer "$1"
		read_state "$1"
		[ -n "$o_pid" ] && [ "$o_state" != armed ] || return 0
		# It waits for its next second, or runs scripts of the old release: those are left alone.
		[ "$o_state" = reverted ] || kill -TERM "$o_pid" 2>/dev/null
		may_try_again 1 || return 0
		sleep 0.1 2>/dev/null || sleep 1
	done
}

# Whether a script runs that file $1 was told of: its last letter says that one began.
is_beating() {
	o_beats=
	{ while IFS= read -r o_line || [ -n "$o_line" ]; do o_beats=$o_beats$o_line; done <"$1"; } 2>/dev/null
	case $o_beats in
	*b) return 0 ;;
	*) return 1 ;;
	esac
}
