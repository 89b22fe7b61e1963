# A package's place, <to>: whose it is and what it holds. Expects $o_root, $o_project, $o_environment.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Fails unless what stands at our names in $o_to are folders.
check_place() {
	for o_name in .octo-ssh releases shared; do no_trap "$o_to/$o_name"; done
}

# Be the only program at work in $o_to: what a lost connection left there is ended.
alone_in_place() {
	[ -r "$o_to/.octo-ssh/owner" ] || fail "$o_to is not a place of octo-ssh, or cannot be read"
	exec 8<"$o_to/.octo-ssh/owner"
	end_others "$o_to/.octo-ssh/owner"
}

# Away with what unfinished builds and removals left in $o_to. Only where nothing else is at work.
clear_place() {
	for o_name in "$o_to/releases"/.*.tmp "$o_to/releases"/.*.tmp.json; do
		if [ -d "$o_name" ] && [ ! -L "$o_name" ]; then chmod -R u+rwX -- "$o_name" 2>/dev/null; fi
		rm -rf -- "$o_name"
	done
	rm -rf -- "$o_to"/.octo-ssh/build.* "$o_to"/.octo-ssh/current.*
}

# The text of <to>/.octo-ssh/owner.
owner_text() { printf '1\n%s\n%s\n%s\n' "$o_root" "$o_project" "$o_environment"; }

# $o_place: absent, ours, foreign or unreadable; $o_owner: whose, as text.
judge_place() {
	o_place=ours
	o_owner=
	nearest "$o_to"
	if [ ! -x "$o_at" ] || { [ -d "$o_to" ] && [ ! -r "$o_to" ]; }; then
		o_place=unreadable
	elif [ "$o_at" != "$o_to" ]; then
		o_place=absent
		if [ -e "$o_to" ] || [ -L "$o_to" ]; then
			o_place=foreign
			o_owner='it is not a folder'
		fi
	elif [ -L "$o_to/.octo-ssh" ] || [ -L "$o_to/releases" ]; then
		o_place=foreign
		o_owner='.octo-ssh or releases in it is a symbolic link'
	elif [ -d "$o_to/releases" ] && { [ ! -r "$o_to/releases" ] || [ ! -x "$o_to/releases" ]; }; then
		o_place=unreadable
	elif [ ! -e "$o_to/.octo-ssh/owner" ] && [ ! -L "$o_to/.octo-ssh/owner" ]; then
		o_place=absent
		if [ -d "$o_to/.octo-ssh" ] && [ ! -x "$o_to/.octo-ssh" ]; then
			o_place=unreadable
		elif [ -e "$o_to/releases" ] || [ -e "$o_to/current" ] || [ -L "$o_to/current" ]; then
			o_place=foreign
			o_owner='releases or current in it was not made by octo-ssh'
		fi
	elif [ ! -f "$o_to/.octo-ssh/owner" ] || [ -L "$o_to/.octo-ssh/owner" ]; then
		# A pipe would keep whoever opens it.
		o_place=foreign
		o_owner='.octo-ssh/owner in it is no file'
	elif ! o_owner=$(head -c 10000 "$o_to/.octo-ssh/owner" 2>/dev/null); then
		o_place=unreadable
	elif [ "$o_owner" != "$(owner_text)" ]; then
		o_place=foreign
	else
		o_owner=
	fi
}

# $o_current: the release folder that `current` points at; empty for none. Other contents make the place foreign.
read_current() {
	o_current=
	if [ -L "$o_to/current" ]; then
		# With its newlines: a folder whose name ends in one is another folder.
		o_current=$(readlink -n "$o_to/current" && printf .)
		o_current=${o_current%.}
		o_current=${o_current#"$o_to/"}
		o_current=${o_current%/}
		case $o_current in
		releases/*/* | releases/. | releases/.. | releases/) o_place=foreign ;;
		releases/*) o_current=${o_current#releases/} ;;
		*) o_place=foreign ;;
		esac
		[ "$o_place" != foreign ] || o_owner="current points at $o_current"
	elif [ -e "$o_to/current" ]; then
		o_place=foreign
		o_owner='current is not a symbolic link'
	fi
}

# A sha256 over the state of every entry of a release folder. What cannot be listed makes it one that never comes again.
fingerprint() {
	(
		cd -- "$1" 2>/dev/null || exit 0
		{
			if [ -n "$o_printf" ]; then
				find . -mindepth 1 -printf '%y %m %U %G %s %i %T@ %C@ %p\n' 2>/dev/null
			else
				find . -mindepth 1 -exec stat -c '%f %u %g %s %i %Y %Z %n' -- {} + 2>/dev/null
			fi || printf '%s\n' "$o_nonce"
		} | {
			# shellcheck disable=SC2086
			LC_ALL=C sort $o_memory || printf '%s\n' "$o_nonce"
		} | sha256sum | cut -c 1-64
	)
}

# $o_printf: not empty where find can print for itself. $o_memory: words that keep sort from files of its own, where it
# would make some: with room for some million lines, and nowhere to put the rest.
look_at_find() {
	o_printf=
	if find / -prune -readable -executable -printf '' >/dev/null 2>&1; then o_printf=1; fi
	o_memory='-S 512M -T /dev/null'
	# shellcheck disable=SC2086
	sort $o_memory </dev/null >/dev/null 2>&1 || o_memory=
}
