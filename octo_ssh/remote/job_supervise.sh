# Runs a job's script in a session of its own, keeps what it prints and how it ended; knows of no connection.
# Words: cwd seconds limit-bytes beat|'' step part digest input-bytes divider; the mark is the first line of the input.
# What happens comes as lines in `ctl`: `stop` from anybody who may write there, and ours, which begin with the mark.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
unset o_supervisor
IFS= read -r o_nonce
o_half=${o_nonce%????????????????}
o_beat=$4
take_script "$8" "$9"
exec </dev/null 5<>ctl
# Who ends a whole login or shuts the machine down ends the script, too: that is still to be told.
trap : HUP INT TERM
clock
look_at_process $$
ln -sn "run/$o_boot/$$/$o_start/$5/$6/$7/$o_nonce" go || exit
if [ -L ../over ] || { [ -n "$o_beat" ] && [ ! -f "$o_beat" ]; }; then
	# Whoever has taken over either saw that link or left this one. Without its file the target is going back.
	rm -f go
	ln -sn void go
	exit
fi

say() { printf '%s %s\n' "$o_nonce" "$1" >&5; }

beat() { [ ! -f "$o_beat" ] || printf %s "$1" >>"$o_beat"; }

# Run the script, in folder $1. Behind the last byte that it printed stands the marker `ended`.
run_script() {
	trap : HUP INT TERM PIPE
	o_status=97
	if cd -- "$1"; then
		start_script "$o_half" 5>&-
		say "began $o_child"
		wait "$o_child"
		o_status=$?
		# Here, a signal ends waiting, not the script.
		while [ "$o_status" -gt 128 ] && kill -0 "$o_child"; do
			wait "$o_child"
			o_status=$?
		done
	fi
	mark ended
	say "ended $o_status"
}

# End the script and what it started, as soon as there is one.
end_script() {
	if [ -z "$o_child" ] || [ -n "$o_status" ]; then return; fi
	end_all "$o_child" "$o_half"
	o_left=$o_names
	keep_looking
}

# Have `look` come again and again.
keep_looking() {
	[ -z "$o_looking" ] || return 0
	(while sleep 0.05 || sleep 1; do say look; done) &
	o_looking=$!
}

beat b
run_script "$1" | keep_output "$3" &
o_keeper=$!
(sleep "$2" && say late) &
o_env='' o_script='' o_child='' o_status='' o_why='' o_cut='' o_drain='' o_left='' o_looking=''
o_dropped=0 o_looks=0 o_complete=0
while [ "$o_complete" -eq 0 ]; do
	read -r o_from o_what o_which <&5 || continue
	case $o_from in
	stop) o_what=cancelled ;;
	"$o_nonce") ;;
	*) continue ;;
	esac
	case $o_what in
	cancelled | late)
		[ -n "$o_why" ] || o_why=.$o_what
		end_script
		;;
	began)
		o_child=$o_which
		[ -z "$o_why" ] || end_script
		;;
	ended)
		o_status=$o_which
		beat e
		keep_looking
		;;
	over | full) o_cut=$o_what ;;
	cut)
		o_cut=full
		o_complete=1
		;;
	draining)
		o_drain=$o_which
		o_looks=0
		;;
	written | drained)
		o_dropped=${o_which:-0}
		o_complete=1
		;;
	look)
		o_looks=$((o_looks + 1))
		look_at_output "$o_looks"
		;;
	esac
done

# All that is ours in this session, but for this shell.
trap '' ALRM
kill -ALRM -$$
wait
rm -f ballast ctl
# Somebody killed who waited for the script: how that ended is not known, and without a status nobody says so.
[ -n "$o_status$o_why$o_cut" ] || exit
[ -z "$o_cut" ] || complete_log
o_end=${o_status:-137}$o_why
[ "$o_cut" != full ] || o_end=$o_end.full
[ "$o_dropped" -le 0 ] || o_end=$o_end.dropped-$o_dropped
ln -sn "$o_end" status
exec >>log
if [ -n "$o_left" ]; then
	mark survivors
	printf '%s' "$o_left"
fi
mark "exit-$o_end"
finish 0
