# The lease: one symbolic link per epoch in $o_root/lock, `lock/N` -> TOKEN:TTL:BOOT_ID:UPTIME:WHO; `lock/N.x` ends it.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# $o_boot, $o_now: this boot, and seconds of its clock.
clock() {
	o_boot=
	o_now=
	{ IFS= read -r o_boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
	{ read -r o_now o_rest </proc/uptime; } 2>/dev/null
	[ -n "$o_now" ] || o_now=$(date +%s)
}

# $o_epoch: the highest epoch, 0 for none. $o_lease: what its link says; empty when it was given back.
read_lease() {
	o_epoch=0
	o_lease=
	for o_name in "$o_root"/lock/*; do
		o_name=${o_name##*/}
		case $o_name in
		*[!0-9]* | 0* | ????????????????*) continue ;;
		esac
		[ "$o_name" -le "$o_epoch" ] || o_epoch=$o_name
	done
	[ "$o_epoch" -eq 0 ] || [ -L "$o_root/lock/$o_epoch.x" ] || o_lease=$(readlink "$o_root/lock/$o_epoch")
}

# The section `lease`: epoch, link, boot and clock, each ended by NUL.
tell_lease() {
	clock
	mark lease
	printf '%s\0' "$o_epoch" "$o_lease" "$o_boot" "$o_now"
}

# Fails unless epoch $1 is the last and held by token $2.
check_lease() {
	read_lease
	case $o_epoch:$o_lease in
	"$1:$2:"*) ;;
	*) fail "the lock was lost: it was released or taken by somebody else" ;;
	esac
}

# Give back the epoch $1 and remove what is left of older ones. Only the last stays, marked.
end_lease() {
	ln -sn released "$o_root/lock/$1.x" 2>/dev/null
	[ -L "$o_root/lock/$1.x" ] || fail "the lock in $o_root/lock cannot be released"
	sweep_leases "$1"
}

# Remove what is left of epochs before $1.
sweep_leases() {
	for o_name in "$o_root"/lock/*; do
		o_number=${o_name##*/}
		o_number=${o_number%%.*}
		case $o_number in
		*[!0-9]* | '' | ????????????????*) continue ;;
		esac
		[ "$o_number" -ge "$1" ] || rm -f -- "$o_name"
	done
}
