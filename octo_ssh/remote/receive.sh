# Put the input into the store under its sha256. What an earlier try brought stays, and only the rest is sent: the section
# `at` says where it begins.
# Words: root epoch token sha256 bytes, then the sha256 of all that the run has use for; none: nothing else is touched
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
find_root "$1"
check_lease "$2" "$3"
o_want=$4
o_size=$5
shift 5
o_store=$o_root/store
o_file=$o_store/$o_want
o_part=$o_store/.$o_want.$$
try "$o_store cannot be made" mkdir -p "$o_store"
[ ! -L "$o_file" ] || fail "$o_file is a symbolic link: octo-ssh does not follow it; remove it"

# The content of file $1 is the wanted one.
right() {
	o_sum=$(sha256sum <"$1") || return 1
	[ "${o_sum%% *}" = "$o_want" ]
}

# Away with what other runs left, if this one has no use for it.
sweep() {
	for o_name in "$o_store"/* "$o_store"/.[!.]*; do
		o_kept=${o_name##*/}
		o_kept=${o_kept#.}
		case " $* " in
		*" ${o_kept%%.*} "*) ;;
		*) rm -rf -- "$o_name" ;;
		esac
	done
}

# Of the parts that earlier tries left, the longest gets our name, and the others go.
take_part() {
	o_had=-1
	for o_name in "$o_store/.$o_want".*; do
		[ -f "$o_name" ] && [ ! -L "$o_name" ] || continue
		o_bytes=$(wc -c <"$o_name")
		if [ "$o_bytes" -le "$o_had" ] || [ "$o_bytes" -gt "$o_size" ]; then
			rm -f -- "$o_name"
			continue
		fi
		[ "$o_had" -lt 0 ] || rm -f -- "$o_best"
		o_best=$o_name
		o_had=$o_bytes
	done
	[ ! -L "$o_part" ] || rm -f -- "$o_part"
	[ "$o_had" -lt 0 ] || [ "$o_best" = "$o_part" ] || mv -f -- "$o_best" "$o_part" 2>/dev/null
}

# No room: what came of it makes way.
full() {
	rm -f -- "$o_part"
	fail "the package cannot be kept in $o_store ($o_said): $(room "$o_store")"
}

[ $# -eq 0 ] || sweep "$@"
if [ -f "$o_file" ]; then
	if right "$o_file"; then
		rm -f -- "$o_store/.$o_want".*
		mark have
		finish 0
	fi
	rm -f -- "$o_file"
fi
take_part
o_said=$({ printf '' >>"$o_part"; } 2>&1) || full
exec 8>>"$o_part"
# Nobody writes to it any more but us: now its length is where we go on. Whoever takes it from here on ends us; until
# then it is looked at by its descriptor, for its name may be gone.
end_others "$o_part"
o_open=/proc/$$/fd/8
o_had=$(wc -c <"$o_open")
mark at
printf %s "$o_had"
mark go
[ "$o_had" -eq "$o_size" ] || o_said=$({ head -c "$((o_size - o_had))" >&8; } 2>&1) || full
if [ "$(wc -c <"$o_open")" -ne "$o_size" ]; then
	has_room "$o_store" || full
	fail 'the input was cut off; what came of it waits for the rest'
fi
flush "$o_part"
if ! right "$o_open"; then
	rm -f -- "$o_part"
	mark damaged
	finish 0
fi
try "$o_store cannot be written" mv -f "$o_part" "$o_file"
finish 0
