# What `drift` and `drift_as` tell of places, files and units; nothing is opened for writing.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Words: quick(0|1) n, n times: to, fingerprint|'', manifest's sha256|'', n, n shared; then as `resources`.
# As `places` tells it, but for fingerprints, which only haste needs; behind each place what tell_current says. The
# section `resources` divides the two.
tell_watched() {
	o_quick=$1
	o_count=$2
	shift 2
	[ "$o_count" -eq 0 ] || look_at_find
	while [ "$o_count" -gt 0 ]; do
		tell_place "$1"
		o_wanted=$2
		o_known=$3
		o_shared=$4
		shift 4
		mark shared
		while [ "$o_shared" -gt 0 ]; do
			tell_shared "$1"
			shift
			o_shared=$((o_shared - 1))
		done
		if [ "$o_place" = ours ] && [ -n "$o_current" ]; then tell_current; fi
		o_count=$((o_count - 1))
	done
	mark resources
	tell_resources "$@"
}

# The current release: section `manifest`, compressed, where its sha256 is not $o_known; the sections of tell_tree, or
# `shut` where one may not look, unless it is asked for quickly and stands as $o_wanted says.
tell_current() (
	o_file=$o_releases/$o_current.json
	if [ -f "$o_file" ] && [ ! -L "$o_file" ] && [ -r "$o_file" ]; then
		o_sum=$(sha256sum <"$o_file")
		if [ "${o_sum%% *}" != "$o_known" ]; then
			mark manifest
			gzip -1 <"$o_file"
		fi
	fi
	if [ "$o_quick" -eq 1 ] && [ -n "$o_wanted" ] && [ "$o_print" = "$o_wanted" ]; then exit 0; fi
	if [ ! -d "$o_releases/$o_current" ] || [ -L "$o_releases/$o_current" ]; then exit 0; fi
	if cd -- "$o_releases/$o_current" 2>/dev/null; then tell_tree; else mark shut; fi
)
