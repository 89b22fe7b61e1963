# Take the lease, write down what was decided, make the work folder. Where the lease is ours already, an earlier try of
# this very program took it.
# Words: root project environment run token ttl who head-expected over head-after input-bytes divider
#   over: what the link of a lease says that is to be overtaken; empty for none
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
take_two "${11}" "${12}"
if [ ! -d "$o_root" ]; then
	try "$o_root cannot be made" mkdir -p "$o_root"
	find_root "$1"
fi
try "$o_root cannot be used" mkdir -p "$o_root/lock" "$o_root/work" "$o_root/store" "$o_root/state"
take_turns

o_again=
o_try=0
while :; do
	read_lease
	case $o_lease in
	"$5:"*)
		o_mine=$o_epoch
		o_again=1
		break
		;;
	"$9") ;;
	'')
		# Whom we are to overtake gave it back: that is another state than was decided on.
		mark moved
		finish 0
		;;
	*)
		tell_lease
		finish 0
		;;
	esac
	clock
	o_before=$o_epoch
	o_mine=$((o_epoch + 1))
	if o_said=$(ln -sn "$5:$6:$o_boot:$o_now:$7" "$o_root/lock/$o_mine" 2>&1); then
		read_lease
		if [ "$o_epoch" -eq "$o_mine" ]; then
			[ -n "$9" ] || break
			[ "$(lease_text "$o_before" 2>/dev/null)" != "$9" ] || break
		fi
		# Somebody went on while we looked: what we took was an epoch of the past, or its holder lives.
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

read_head
if [ "$o_head" != "$8" ] && { [ -z "$o_again" ] || ! is_written "${10}"; }; then
	end_lease "$o_mine"
	mark moved
	finish 0
fi
write_memory "$2" "$3" || fail "$o_wrong"
clock
fence_work "$4"
try 'the work folder cannot be made' mkdir -p "$o_root/work/$4"
trap - EXIT
mark acquired
printf %s "$o_mine"
finish 0
