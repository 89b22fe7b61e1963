# Take the lease, write down what was decided, make the work folder.
# Words: root project environment run token ttl who head-expected input-bytes divider
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
take_two "$9" "${10}"
if [ ! -d "$o_root" ]; then
	try "$o_root cannot be made" mkdir -p "$o_root"
	find_root "$1"
fi
try "$o_root cannot be used" mkdir -p "$o_root/lock" "$o_root/work" "$o_root/store" "$o_root/state"

o_try=0
while :; do
	read_lease
	if [ -n "$o_lease" ]; then
		tell_lease
		finish 0
	fi
	clock
	o_mine=$((o_epoch + 1))
	if o_said=$(ln -sn "$5:$6:$o_boot:$o_now:$7" "$o_root/lock/$o_mine" 2>&1); then
		read_lease
		[ "$o_epoch" -ne "$o_mine" ] || break
		# Somebody went on while we looked: what we took was an epoch of the past.
		rm -f -- "$o_root/lock/$o_mine"
	elif [ ! -L "$o_root/lock/$o_mine" ]; then
		fail "the lock cannot be taken: $o_said"
	fi
	o_try=$((o_try + 1))
	[ "$o_try" -lt 100 ] || fail "the lock in $o_root/lock cannot be taken"
done
# Whatever fails from here on: nobody would know that the lease is ours.
trap 'end_lease "$o_mine"' EXIT
sweep_leases "$o_mine"

o_head=
if [ -s "$o_root/journal.jsonl" ]; then
	# Not through a variable: what a power cut left may hold NUL bytes.
	o_head=$(tail -n 1 "$o_root/journal.jsonl" | tr -d '\n' | sha256sum) || fail 'sha256sum failed'
	o_head=${o_head%% *}
fi
if [ "$o_head" != "$8" ]; then
	end_lease "$o_mine"
	mark moved
	finish 0
fi
write_memory "$2" "$3"
try 'the work folder cannot be made' mkdir -p "$o_root/work/$4"
trap - EXIT
mark acquired
printf %s "$o_mine"
finish 0
