# Put the input into the store under its sha256. Words: root sha256 bytes
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
try "$o_root/store cannot be made" mkdir -p "$o_root/store"
o_file=$o_root/store/$2
[ ! -L "$o_file" ] || fail "$o_file is a symbolic link: octo-ssh does not follow it; remove it"

# The content of file $1 is the wanted one.
right() {
	[ "$(wc -c <"$1")" -eq "$o_size" ] || return 1
	o_sum=$(sha256sum <"$1") || return 1
	[ "${o_sum%% *}" = "$o_want" ]
}

o_want=$2
o_size=$3
if [ -f "$o_file" ]; then
	if right "$o_file"; then
		mark have
		finish 0
	fi
	rm -f -- "$o_file"
fi
o_part=$o_root/store/.$2.$$
trap 'rm -f -- "$o_part"' EXIT
o_said=$({ head -c "$3" >"$o_part"; } 2>&1) || fail "$o_part cannot be written: $o_said"
right "$o_part" || fail "what arrived in $o_root/store is not what was sent: cut off, or the disk is full"
flush "$o_part"
try 'the store cannot be written' mv -f "$o_part" "$o_file"
finish 0
