# Bring a unit of systemd to its state. Words: unit running|stopped|'' enabled(1|0|'') restart(0|1) start|''
#   start: the one that was running, or ran last, before anybody restarted it here
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0 </dev/null
o_unit=$1
o_state=$2
o_enabled=$3
o_restart=$4
o_since=$5
o_began=$(date +%s)
o_watcher=
o_job=
has_systemd || fail 'systemd does not run on the target, and a service step needs it'

# What systemd says of the unit: $o_load, $o_active, $o_sub, $o_file, and $o_start, which each start makes anew.
see_unit() {
	ask_units "$o_unit"
	o_said="
$o_said"
	property LoadState
	o_load=$o_value
	property ActiveState
	o_active=$o_value
	property SubState
	o_sub=$o_value
	property UnitFileState
	o_file=$o_value
	property InvocationID
	o_start=$o_value
}

# systemctl does something, and says so in the section `said`; in the background, so that a signal is heard.
manage() {
	systemctl --no-ask-password "$@" -- "$o_unit" 2>&1 3<&- &
	o_job=$!
	wait "$o_job"
}

# The end for a unit that does not do as it should. Section `log`: its last words. $1: a sentence.
unwell() {
	mark log
	journalctl --sync >/dev/null 2>&1
	o_said=$(journalctl -q --since "@$o_began" -u "$o_unit" -n 20 -o cat --no-pager 2>/dev/null)
	[ -n "$o_said" ] || o_said=$(systemctl status -l -n 20 --no-pager -- "$o_unit" 2>&1)
	printf %s "$o_said" | tail -c 3000
	fail "$1"
}

# Nobody waits any more: systemd goes on with what it was asked to do, we do not.
give_up() {
	[ -z "$o_job" ] || kill "$o_job" 2>/dev/null
	fail "$o_unit: cancelled while systemd was at work; it goes on there"
}

# Fails for a unit that cannot do what is asked. What is not there is stopped and disabled already.
judge() {
	[ "$o_load" != loaded ] || return 0
	if [ "$o_enabled" != 1 ]; then
		case $o_restart:$o_state in ?:stopped | 0:) return 0 ;; esac
	fi
	case $o_load in
	not-found) fail "$o_unit is not there: systemd knows no unit file of that name" ;;
	masked) fail "$o_unit is masked: somebody decided that it must not run; \`systemctl unmask\` ends that" ;;
	*) unwell "$o_unit cannot be used: systemd says $o_load" ;;
	esac
}

# Enabled or disabled, where that is asked for. Some can be neither, and stay what they are.
set_enabled() {
	case $o_enabled:$o_file in
	1:static) fail "$o_unit cannot be enabled: its unit file has no [Install] section" ;;
	1:enabled | 1:indirect | 1:alias) return 0 ;;
	1:*) manage enable || fail "$o_unit cannot be enabled" ;;
	0:enabled-runtime) manage disable --runtime || fail "$o_unit cannot be disabled" ;;
	0:enabled | 0:generated) manage disable || fail "$o_unit cannot be disabled" ;;
	*) return 0 ;;
	esac
	see_unit
	case $o_enabled:$o_file in
	1:disabled | 0:enabled | 0:enabled-runtime) fail "$o_unit is $o_file still, after systemctl said that all is well" ;;
	esac
}

# Whether the unit has done what it does once, and nobody wants it to be there afterwards.
is_done() {
	[ "$o_active:$o_state" = inactive: ] || return 1
	o_said="
$(systemctl show -p Type -p Result -- "$o_unit" 2>/dev/null)"
	property Type
	[ "$o_value" = oneshot ] || return 1
	property Result
	[ "$o_value" = success ]
}

# Start or restart; $1 says which.
start() {
	# One that failed too often may not be started again before that is forgotten.
	[ "$o_active" != failed ] || systemctl --no-ask-password reset-failed -- "$o_unit" >/dev/null 2>&1
	manage "$1" || unwell "$o_unit did not start"
	see_unit
	watch
}

# Whether an earlier try of this program has restarted it.
is_restarted() {
	[ -n "$o_since" ] && [ "$o_start" != "$o_since" ] && case $o_active in
	active | reloading | refreshing | activating) ;;
	*) false ;;
	esac
}

# See that it stays up for a while.
watch() {
	o_first=$o_start
	read_clock
	o_until=$((o_second + 2))
	o_patience=$((o_second + 10))
	while :; do
		read_clock
		case $o_active:$o_sub in
		active:* | reloading:* | refreshing:*)
			[ "$o_start" = "$o_first" ] || unwell "$o_unit fell over after its start, and was started again"
			[ "$o_second" -lt "$o_until" ] || return 0
			;;
		activating:auto-restart*) unwell "$o_unit fell over after its start; systemd tries again and again" ;;
		activating:*) [ "$o_second" -lt "$o_patience" ] || unwell "$o_unit is still activating after 10 s" ;;
		*)
			! is_done || return 0
			unwell "$o_unit is $o_active right after its start"
			;;
		esac
		sleep 0.25 2>/dev/null || sleep 1
		see_unit
	done
}

# Stop it.
stop() {
	manage stop || unwell "$o_unit did not stop"
	see_unit
	case $o_active in
	inactive | failed) ;;
	*) unwell "$o_unit is $o_active after it was stopped" ;;
	esac
}

see_unit
judge
(
	while read -r o_line <&3; do :; done
	kill -TERM $$
) >/dev/null 2>&1 &
o_watcher=$!
trap 'kill "$o_watcher" 2>/dev/null' EXIT
trap give_up TERM
exec 3<&-
mark said
set_enabled
case $o_restart:$o_state:$o_active in
?:stopped:inactive | ?:stopped:failed) ;;
?:stopped:*) stop ;;
1:*) if is_restarted; then watch; else start restart; fi ;;
0:running:active | 0:running:reloading | 0:running:refreshing) ;;
0:running:*) start start ;;
esac
tell_units "$o_unit"
finish 0
