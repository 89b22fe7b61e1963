# The right to point `current` elsewhere: the folder <to>/.octo-ssh/.flip.EPOCH.TOKEN of the lease's holder. The new link
# is made in it and renamed from there, so that whoever takes the folder away takes the right away, at any moment.
# Expects $o_to.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Take the right away from every epoch before $1, or at $1 with another token than $2. Fails with $o_later, the epoch,
# where a later one has it.
revoke_flips() {
	o_later=
	for o_flip in "$o_to"/.octo-ssh/.flip.*; do
		o_name=${o_flip##*/.flip.}
		o_number=${o_name%%.*}
		case $o_number in
		*[!0-9]* | '' | ????????????????*) continue ;;
		esac
		if [ "$o_number" -gt "$1" ]; then
			o_later=$o_number
			return 1
		fi
		[ "$o_name" != "$1.$2" ] || continue
		# In one step, whatever its holder is doing in it.
		mv -fT "$o_flip" "$o_to/.octo-ssh/.dead.$o_name.$$" 2>/dev/null
		rm -rf -- "$o_to/.octo-ssh/.dead.$o_name.$$"
		[ ! -d "$o_flip" ] || fail "$o_flip cannot be removed"
	done
}

# Give the right to epoch $1 with token $2, and to it alone.
grant_flip() {
	revoke_flips "$1" "$2" || lose_flip
	o_flip=$o_to/.octo-ssh/.flip.$1.$2
	# An earlier try of the same may be at work still.
	o_said=$(mkdir "$o_flip" 2>&1) || { [ -d "$o_flip" ] && [ ! -L "$o_flip" ]; } || fail "$o_flip cannot be made: $o_said"
	# Two may have come this far at once: the later one stays.
	revoke_flips "$1" "$2" || {
		rm -rf -- "$o_to/.octo-ssh/.flip.$1.$2"
		lose_flip
	}
}

# The section `later`: the epoch that has the right, where one has; and the end.
lose_flip() {
	mark later
	printf %s "$o_later"
	fail "the right to switch $o_to/current was taken over"
}

# Point `current` at the release folder $3 by the right of epoch $1 with token $2; without $3, remove it.
flip() {
	o_flip=$o_to/.octo-ssh/.flip.$1.$2
	if [ -n "$3" ]; then
		rm -rf -- "$o_flip/current"
		o_said=$(ln -sn "releases/$3" "$o_flip/current" 2>&1 && mv -fT "$o_flip/current" "$o_to/current" 2>&1) && return 0
	else
		[ -L "$o_to/current" ] || return 0
		o_said=$(mv -fT "$o_to/current" "$o_flip/removed" 2>&1) && {
			rm -f -- "$o_flip/removed"
			return 0
		}
	fi
	[ -d "$o_flip" ] || {
		o_later=
		lose_flip
	}
	fail "$o_to/current cannot be replaced: $o_said"
}
