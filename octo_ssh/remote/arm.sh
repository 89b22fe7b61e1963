# Start the timer of a release that is about to become current; tell how it stands. Once it has said that it is up, the
# target goes back by itself (timer.sh). Expects $o_timer, its text, and $o_guard, the file for service units.
# Words: to epoch token own-token new old|'' within-s bound-s about, then as the timer's from `told` on
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 022
exec 3<&0
must_run_scripts
absolute "$1"
o_to=$o_at
shift
o_own=$o_to/.octo-ssh/confirm.$3
o_token=$3
o_about=$8

# Fails unless $1 is a complete release.
must_be_complete() {
	[ -d "$o_to/releases/$1" ] && [ ! -L "$o_to/releases/$1" ] && [ -f "$o_to/releases/$1.json" ] ||
		fail "$o_to/releases/$1 is not a complete release"
}

# The folder with all that the timer needs, whole or not at all: another try may be at it, too. It is on disk before
# `current` moves, or else a power cut would not be seen.
prepare() {
	o_part=$o_to/.octo-ssh/.arm.$o_token.$$
	try "$o_part cannot be made" mkdir -m 700 "$o_part"
	[ -z "$2" ] || try "$o_part cannot be used" ln -sn "releases/$2" "$o_part/current"
	try "$o_part cannot be used" ln -sn "releases/$1" "$o_part/new"
	{ : >"$o_part/beats" && printf %s "$o_about" >"$o_part/armed"; } 2>/dev/null || {
		rm -rf -- "$o_part"
		fail "$o_part cannot be written: is the disk full?"
	}
	flush "$o_part/armed"
	flush "$o_part"
	o_said=$(mv -fT "$o_part" "$o_own" 2>&1) || {
		rm -rf -- "$o_part"
		[ -d "$o_own" ] || fail "$o_own cannot be made: $o_said"
	}
}

# Those of other runs: this one has the right to switch now, and they have not. Records of what is over go.
settle_others() {
	for o_dir in "$o_to"/.octo-ssh/confirm.*; do
		if [ -L "$o_dir" ] || [ ! -d "$o_dir" ] || [ "$o_dir" = "$o_own" ]; then continue; fi
		mv -fT "$o_dir/armed" "$o_dir/overtaken" 2>/dev/null
		end_timer "$o_dir" 60
		[ -z "$o_pid" ] || fail "$o_to is going back to its previous release at this moment: apply again when it has"
		# A script of it that is gone on with has still to say there that it has ended.
		if [ "$o_state" = overtaken ] && is_beating "$o_dir/beats"; then continue; fi
		rm -rf -- "$o_dir"
	done
}

# The file for service units: ExecStartPre=-<to>/.octo-ssh/guard
write_guard() {
	o_file=$o_to/.octo-ssh/guard
	[ "$(cat "$o_file" 2>/dev/null)" != "$o_guard" ] || return 0
	{ printf '%s\n' "$o_guard" >"$o_file.$$"; } 2>/dev/null || fail "$o_file cannot be written: is the disk full?"
	try "$o_file cannot be made" chmod 755 "$o_file.$$"
	try "$o_file cannot be made" mv -fT "$o_file.$$" "$o_file"
}

check_place
[ -d "$o_to/.octo-ssh" ] || fail "$o_to is not a place of octo-ssh"
no_trap "$o_own"
clock
read_state "$o_own"
o_before=$o_state
case $o_before in
'' | armed)
	must_be_complete "$4"
	[ -z "$5" ] || must_be_complete "$5"
	grant_flip "$1" "$2"
	settle_others
	[ -n "$o_before" ] || prepare "$4" "$5"
	;;
esac
o_said=
if [ -f "$o_own/armed" ] && [ ! -L "$o_own/timer" ]; then
	write_guard
	command -v setsid >/dev/null 2>&1 || fail 'setsid is missing on the target: a timer cannot be started'
	o_flip_epoch=$1
	o_flip_token=$2
	o_new=$4
	o_old=$5
	o_within=$6
	o_bound=$7
	shift 8
	o_said=$(setsid sh -c "$o_timer" octo-ssh-timer "$o_own" "$o_to" "$o_flip_epoch" "$o_flip_token" "$o_token" \
		"$o_new" "$o_old" "$o_within" "$o_bound" "$@" <&3 3<&- 2>&1 &)
	flush "$o_own"
	flush "$o_to/.octo-ssh"
fi
read_timer "$o_own"
# It may be the one of an earlier try, and may have gone back since.
[ -n "$o_pid" ] || [ ! -f "$o_own/armed" ] || fail "the timer does not run: ${o_said:-somebody ended it}"
mark timers
tell_timer "$o_own"
finish 0
