# A folder's whole content, hashed, as the working folder's listing. Expects $o_printf. Nothing is opened for writing.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Sections `entries`, or `paths`, `stats`, `links` and `closed` where find cannot print; then `digests`. The folder itself
# comes first, as `.`; in `entries`, the kind `x` is a folder that may not be listed or entered. Compressed: gzip -1.
tell_tree() {
	if [ -n "$o_printf" ]; then
		mark entries
		find . -type d ! \( -readable -executable \) -printf 'x %m %s %U:%G \0%p\0' \
			-o -printf '%y %m %s %U:%G %l\0%p\0' 2>/dev/null | gzip -1
	else
		mark paths
		find . -print0 2>/dev/null | gzip -1
		mark stats
		find . -exec stat -c '%f %s %u:%g' -- {} + 2>/dev/null | gzip -1
		mark links
		find . -mindepth 1 -type l -exec sh -c 'for l; do readlink -n -- "$l"; printf "\0"; done' sh {} + 2>/dev/null |
			gzip -1
		mark closed
		find . -type d -exec sh -c '
			for d; do if [ ! -r "$d" ] || [ ! -x "$d" ]; then printf "%s\0" "$d"; fi; done' sh {} + 2>/dev/null |
			gzip -1
	fi
	mark digests
	find . -mindepth 1 -type f -exec sha256sum -- {} + 2>/dev/null | gzip -1
}
