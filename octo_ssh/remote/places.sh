# What `observe` and `observe_places` tell of package places; nothing is opened for writing.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# For each place: sections `place`, `releases` (names ended by NUL), `sums` (a line each), `timers`, `shared` (a character
# each).
tell_places() {
	look_at_find
	o_quick=1
	while [ $# -gt 0 ]; do
		o_shared=$2
		tell_place "$1"
		shift 2
		mark shared
		while [ "$o_shared" -gt 0 ]; do
			tell_shared "$1"
			shift
			o_shared=$((o_shared - 1))
		done
	done
}

# A digit: whether the shared path $1 exists at $o_to; a question mark where one may not look.
tell_shared() {
	if [ -e "$o_to/shared/$1" ] || [ -L "$o_to/shared/$1" ]; then
		printf 1
	else
		nearest "$o_to/shared/$1"
		if [ -x "$o_at" ]; then printf 0; else printf '?'; fi
	fi
}

# The place $1, from now on $o_to. Its current release gets a fingerprint if $o_quick is 1.
tell_place() {
	absolute "$1"
	o_to=$o_at
	while [ "$o_to" != "${o_to%/}" ] && [ "$o_to" != / ]; do o_to=${o_to%/}; done
	judge_place
	o_current=
	o_print=
	o_writable=0
	if [ "$o_place" = ours ]; then
		read_current
		o_releases=$o_to/releases
	else
		o_releases=/
	fi
	nearest "$o_to/releases"
	if [ -w "$o_at" ] && [ -x "$o_at" ]; then
		o_writable=1
		if [ -d "$o_to" ] && [ ! -w "$o_to" ]; then o_writable=0; fi
	fi
	o_disk=$(disk "$o_at"; taken "$o_to/releases"/.*.tmp "$o_to"/.octo-ssh/build.*)
	if [ "$o_quick:$o_place" = 1:ours ] && [ -n "$o_current" ]; then o_print=$(fingerprint "$o_releases/$o_current"); fi
	tell_releases
	mark place
	printf '%s\0' "$o_to" "$o_place" "$o_owner" "$o_writable" "$o_current" "$o_print" "$o_disk"
	[ "$o_place" != ours ] || tell_timers
}

# The complete release folders: those with a manifest beside them.
tell_releases() (
	mark releases
	[ "$o_place" = ours ] && cd -- "$o_releases" 2>/dev/null || exit 0
	set --
	for o_name in *.json; do
		if [ -f "$o_name" ] && [ ! -L "$o_name" ] && [ -d "${o_name%.json}" ] && [ ! -L "${o_name%.json}" ]; then
			[ $# -lt 1000 ] || break
			set -- "$@" "$o_name"
			printf '%s\0' "${o_name%.json}"
		fi
	done
	[ $# -gt 0 ] || exit 0
	mark sums
	for o_name; do
		if [ ! -r "$o_name" ]; then
			printf unreadable
			exit 0
		fi
	done
	sha256sum -- "$@"
)
