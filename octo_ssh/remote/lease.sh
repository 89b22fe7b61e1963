# The lease: one symbolic link per epoch in $o_root/lock, `lock/N` -> TOKEN:TTL:BOOT_ID:UPTIME:WHO. It is never replaced:
# who lists the folder at that moment might miss it. `lock/N.r` says the same with a newer UPTIME; `lock/N.x` ends it.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# $o_boot, $o_now: this boot, and seconds of its clock.
clock() {
	o_boot=
	o_now=
	{ IFS= read -r o_boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
	{ read -r o_now o_rest </proc/uptime; } 2>/dev/null
	[ -n "$o_now" ] || o_now=$(date +%s)
}

# What the link of epoch $1 says; where there was no room to end it, the link itself became its end.
lease_text() {
	readlink "$o_root/lock/$1.r" || readlink "$o_root/lock/$1" || readlink "$o_root/lock/$1.x"
}

# $o_epoch: the highest epoch, 0 for none. $o_lease: what its link says; empty when it was given back.
read_lease() {
	o_epoch=0
	o_lease=
	for o_name in "$o_root"/lock/*; do
		o_name=${o_name##*/}
		o_name=${o_name%%.*}
		case $o_name in
		*[!0-9]* | 0* | '' | ????????????????*) continue ;;
		esac
		[ "$o_name" -le "$o_epoch" ] || o_epoch=$o_name
	done
	[ "$o_epoch" -eq 0 ] || [ -L "$o_root/lock/$o_epoch.x" ] || o_lease=$(lease_text "$o_epoch" 2>/dev/null)
}

# The section $1: epoch, what the link $2 says, boot and clock, each ended by NUL.
tell_link() {
	clock
	mark "$1"
	printf '%s\0' "$o_epoch" "$2" "$o_boot" "$o_now"
}

# The section `lease`: as it was read.
tell_lease() { tell_link lease "$o_lease"; }

# Fails unless epoch $1 is the last and held by token $2; says then who took it, also where that was given back since.
check_lease() {
	read_lease
	case $o_epoch:$o_lease in
	"$1:$2:"*) return 0 ;;
	esac
	if [ -z "$o_lease" ] && [ "$o_epoch" -gt "$1" ]; then o_lease=$(lease_text "$o_epoch" 2>/dev/null); fi
	tell_link lost "$o_lease"
	fail 'the lock was lost'
}

# Give back the epoch $1 and remove what is left of older ones. Only the last stays, marked. On a full disk there is no
# room for another link: then one that is there gets the name.
end_lease() {
	o_link=$o_root/lock/$1
	[ -L "$o_link.x" ] || ln -sn released "$o_link.x" 2>/dev/null || mv -fT "$o_link.r" "$o_link.x" 2>/dev/null ||
		mv -fT "$o_link" "$o_link.x" 2>/dev/null
	[ -L "$o_link.x" ] || fail "the lock in $o_root/lock cannot be released"
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

# Wait for whoever writes in $o_root: a program whose connection was lost may still be at work when it is repeated.
# Everything is safe without, too, but for a line that both write.
take_turns() {
	! command -v flock >/dev/null 2>&1 || [ ! -d "$o_root/lock" ] || {
		exec 9<"$o_root/lock"
		flock 9
	}
}
