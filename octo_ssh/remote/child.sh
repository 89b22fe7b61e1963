# Runs a script that came on standard input, in a session of its own, and ends it and all it left when input ends.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Everybody on the target may read the arguments of a program, and scripts are among those of printf here.
must_keep_secrets() {
	case $(command -v printf) in */*) fail "the target's sh has no printf of its own: it cannot keep scripts secret" ;; esac
}

# Fails where scripts cannot be run as they must be.
must_run_scripts() {
	must_keep_secrets
	command -v setsid >/dev/null 2>&1 || fail 'setsid is missing on the target: scripts need it to be ended cleanly'
	[ -d /dev/fd ] || fail '/dev/fd is missing on the target'
}

# $o_env, $o_script: exports and script, from the input. $1: bytes, $2: divider.
take_script() {
	take_two "$1" "$2"
	o_env=$o_one
	o_script=$o_two
	o_first=${o_script%%
*}
	case $o_first in
	'#!!'*)
		# This line is none of the script's: it came before it, and line numbers are to stay true.
		o_interpreter=${o_first#???}
		o_script=${o_script#"$o_first"?}
		;;
	'#!'*[!\ ]*) o_interpreter=${o_first#??} ;;
	*) o_interpreter='sh' ;;
	esac
	must_run_scripts
}

# Go to the script's folder $1, or to the run's work folder $2 where there is none. Status 97: it is not there.
enter() {
	if [ -n "$1" ]; then
		absolute "$1"
		if ! cd -- "$o_at" 2>/dev/null; then
			mark reason
			printf '%s' "$o_at, where the script is to run, is not there or cannot be entered"
			mark exit-97
			finish 0
		fi
	else
		cd -- "$2" 2>/dev/null || cd /
	fi
}

# Start the script; $o_child is its session. Output goes where ours goes. $1: its mark.
start_script() {
	printf %s "$o_script" | (
		exec 3<&0 </dev/null
		set -f
		# shellcheck disable=SC2086
		set -- "$1" setsid $o_interpreter /dev/fd/3
		set +f
		eval "$o_env"
		export OCTO_MARK="$1"
		shift
		unset OLDPWD
		exec "$@" 2>&1
	) &
	o_child=$!
}

# $o_alive: processes of session $1, their descendants, and whoever carries the mark $2; $o_names with their names.
find_alive() {
	o_alive=' '
	o_names=
	if [ ! -r /proc/self/stat ]; then
		if kill -0 -"$1" 2>/dev/null; then o_alive=" -$1 "; fi
		return
	fi
	if [ "$o_grep_z" -eq 1 ]; then
		o_marked=" $(grep -lzxF "OCTO_MARK=$2" /proc/[0-9]*/environ 2>/dev/null | tr '\n' ' ')"
	else
		o_marked=' '
		for o_file in /proc/[0-9]*/environ; do
			if tr '\0' '\n' <"$o_file" | grep -qxF "OCTO_MARK=$2"; then o_marked="$o_marked$o_file "; fi
		done 2>/dev/null
	fi
	o_found=1
	while [ "$o_found" -eq 1 ]; do
		o_found=0
		for o_file in /proc/[0-9]*/stat; do
			o_pid=${o_file#/proc/}
			o_pid=${o_pid%/stat}
			case $o_alive in *" $o_pid "*) continue ;; esac
			o_stat=
			while IFS= read -r o_line; do o_stat=$o_stat$o_line; done <"$o_file" || continue
			o_name=${o_stat#*\(}
			o_name=${o_name%\)*}
			# After the name: state, parent, process group, session.
			# shellcheck disable=SC2086
			set -- "$1" "$2" ${o_stat##*\) }
			[ "${3:-Z}" != Z ] || continue
			case $o_marked in *" /proc/$o_pid/environ "*) o_hit=1 ;; *) o_hit=0 ;; esac
			case $o_alive in *" $4 "*) o_hit=1 ;; esac
			if [ "$o_hit" -eq 1 ] || [ "${6:-0}" = "$1" ] || [ "$o_pid" = "$1" ]; then
				o_alive="$o_alive$o_pid "
				o_names="$o_names$o_pid $o_name
"
				o_found=1
			fi
		done 2>/dev/null
	done
}

# End session $1 and all that carries mark $2: TERM, 2 s, KILL. $o_names: what is left.
end_all() {
	o_grep_z=0
	if grep -qz x /dev/null 2>/dev/null || [ $? -eq 1 ]; then o_grep_z=1; fi
	o_signal=TERM
	o_kills=0
	read_clock
	# By the clock: where much runs, finding them may take longer than waiting.
	o_patience=$((o_second + 2))
	while :; do
		find_alive "$1" "$2"
		[ "$o_alive" != ' ' ] || return 0
		read_clock
		if [ "$o_second" -gt "$o_patience" ]; then
			[ "$o_kills" -lt 3 ] || return 0
			o_signal=KILL
			o_kills=$((o_kills + 1))
		fi
		# shellcheck disable=SC2086
		for o_pid in $o_alive; do [ -z "$o_signal" ] || kill -"$o_signal" "$o_pid"; done 2>/dev/null
		o_signal=
		sleep 0.25 2>/dev/null || sleep 1
	done
}

# In the background: when input ends, end the script. Status 75 tells that this happened. $1: session, $2: mark.
watch_input() {
	(
		while read -r o_line <&3; do :; done
		trap '' TERM
		end_all "$1" "$2"
		if [ -n "$o_names" ]; then
			mark survivors
			printf '%s' "$o_names"
		fi
		exit 75
	) 2>/dev/null &
	o_watcher=$!
}
