# What machine and login this is; nothing is opened for writing.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Sections `facts` (NUL-ended fields), `tools`. $o_root is set.
tell_facts() {
	o_uid=$(id -u)
	o_user=$(id -un 2>/dev/null) || o_user=$o_uid
	o_machine=
	{ IFS= read -r o_machine </etc/machine-id; } 2>/dev/null
	clock
	o_selinux=0
	[ ! -e /sys/fs/selinux/enforce ] || o_selinux=1
	nearest "$o_root"
	mark facts
	printf '%s\0' "$o_user" "$o_uid" "${HOME:-/}" "$(uname -n)" "$o_machine" "$(uname -srm)" "$o_boot" "$o_root" \
		"$o_selinux" "$(disk "$o_at"; taken "$o_root/store"/* "$o_root/store"/.[!.]*)"
	mark tools
	for o_name in cat chmod cp curl cut dd df find grep gzip head id kill ln logger mkdir mkfifo mv readlink restorecon \
		rm setsid sha256sum sleep sort stat sudo sync tail tar timeout tr uname uniq wc wget xargs xz zstd; do
		if command -v "$o_name" >/dev/null 2>&1; then printf '%s\n' "$o_name"; fi
	done
}
