# Release folders' manifests, and what they really hold. Words: to hashed(0|1) folder…
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
absolute "$1"
o_to=$o_at
o_hashed=$2
shift 2
no_trap "$o_to/releases"
look_at_find
for o_name; do
	mark folder
	if [ -f "$o_to/releases/$o_name.json" ] && [ ! -L "$o_to/releases/$o_name.json" ]; then
		mark manifest
		gzip -1 <"$o_to/releases/$o_name.json"
	fi
	if [ "$o_hashed" -eq 1 ] && [ -d "$o_to/releases/$o_name" ]; then
		no_trap "$o_to/releases/$o_name"
		cd -- "$o_to/releases/$o_name" || fail "$o_to/releases/$o_name cannot be read"
		tell_tree
	fi
done
finish 0
