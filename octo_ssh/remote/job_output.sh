# The output of a job: kept as far as it may be, in `log`, and known to be complete. Belongs to job_supervise.sh.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Keep what comes on standard input, $1 bytes of it, and count the rest. dd writes each read at once, and counts reads.
keep_output() {
	trap : HUP INT TERM
	o_room=$1
	o_cut=over
	while [ "$o_room" -gt 0 ]; do
		o_bytes=65536
		o_reads=$((o_room / o_bytes))
		if [ "$o_reads" -eq 0 ]; then
			o_bytes=$o_room
			o_reads=1
		fi
		if ! o_said=$(LC_ALL=C dd bs="$o_bytes" count="$o_reads" 2>&1 >>log); then
			o_cut=full
			break
		fi
		# `3+2 records in`, perhaps behind a warning: full reads and short ones. Fewer than asked for: the end.
		o_said=${o_said%% records in*}
		o_said=${o_said##*[!0-9+]}
		if [ $((${o_said%+*} + ${o_said#*+})) -lt "$o_reads" ]; then
			say written
			return
		fi
		o_room=$(($1 - $(wc -c <log)))
	done
	say "$o_cut"
	exec 6<&0
	o_said=$(
		{
			cat <&6 &
			say "draining $!"
			wait $!
		} | wc -c
	)
	say "drained $o_said"
}

# For the time behind the script's end: is its output complete, though something it left behind may still write? $1: how
# often this was asked, every 50 ms.
look_at_output() {
	if [ -z "$o_status" ]; then
		# It was to be ended, and could not be.
		[ "$1" -lt 20 ] || o_complete=1
	elif [ -n "$o_cut" ]; then
		# Nothing tells when all of it was counted, as long as somebody else may write.
		[ "$1" -lt 20 ] || kill "$o_drain"
	elif tail -c 65536 log | tr '\n\0' 'x\n' | grep -qF "$o_nonce endedx"; then
		o_complete=1
	fi
	# Somebody may kill who keeps it, or remove the log.
	look_at_process "$o_keeper"
	[ "$1" -lt 200 ] || o_start=
	case $o_start in '' | gone) say cut ;; esac
}

# Where output was cut off, so may the marker `ended` be: complete it.
complete_log() {
	o_whole="$o_nonce endedx"
	o_last=$(tail -c ${#o_whole} log | LC_ALL=C tr -c '0-9a-z ' x)
	o_there=$o_whole
	until [ "$o_last" != "${o_last%"$o_there"}" ] || [ -z "$o_there" ]; do o_there=${o_there%?}; done
	o_missing=${o_whole#"$o_there"}
	[ -z "$o_missing" ] || printf '%s\n' "${o_missing%x}" >>log
	o_dropped=$((o_dropped - ${#o_missing}))
}
