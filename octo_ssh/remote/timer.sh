# The timer of a release that waits for a confirmation: a program of its own, in a session of its own, that goes back when
# nobody comes (SPEC section 8). TERM means: now. All that it needs is in its memory, or there already: for what counts it
# asks a full disk for nothing. On input the scripts that make the old release take effect, framed as those of `unless`.
# Words: folder to epoch token own-token new old|'' within-s bound-s told input-bytes separator mark
#   names limits-s dividers (of the scripts: the first two with a space after each, the last a character for each)
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
# Not ignored, but of no effect: what is ignored stays so in the scripts.
trap : HUP INT
trap 'o_now_then=1' TERM
o_now_then=
o_nonce=
unset CDPATH IFS
cd / || exit 1
o_dir=$1
o_to=$2
o_flip=$o_to/.octo-ssh/.flip.$3.$4
o_mine=$o_to/.octo-ssh/.flip.$3.$5
o_new=$6
o_old=$7
o_within=$8
o_bound=$9
shift 9
o_told=$1
o_size=$2
o_separator=$3
o_mark=$4
o_steps=$5
o_limits=$6
o_dividers=$7
shift $#
o_all=$(head -c "$o_size" 2>/dev/null; printf .)
exec </dev/null
o_all=${o_all%.}
# It may be cut off behind a script, too.
if [ "$(printf %s "$o_all" | wc -c)" -ne "$o_size" ]; then
	printf 'the input was cut off'
	exit 1
fi

# One script: exports and script on input, ended by $2, for $1 seconds at most. Its status is the script's; 124: late.
attempt() {
	trap : HUP INT TERM
	take_script "$o_size" "$2"
	start_script "$o_mark"
	o_script=
	clock
	o_end=$((${o_now%.*} + $1))
	while read_start "$o_child" && [ -n "$o_start" ]; do
		if [ "${o_now%.*}" -gt "$o_end" ]; then
			end_all "$o_child" "$o_mark"
			exit 124
		fi
		sleep 0.1 2>/dev/null || sleep 1
		clock
	done
	while :; do
		wait "$o_child"
		o_status=$?
		# A signal ends the waiting, and not what is waited for.
		kill -0 "$o_child" 2>/dev/null || exit "$o_status"
	done
}

# What came of it, a line each.
came() { printf '%s\n' "$1" >>"$o_dir/came"; }

# Point `current` at the old release, by the right to do so of whoever armed this. Status 1: somebody else has that now.
point_back() {
	mv -fT "$o_flip" "$o_mine" || return 1
	if [ "$(readlink "$o_to/current")" != "releases/$o_new" ]; then
		came missed
	elif [ -n "$o_old" ]; then
		mv -fT "$o_dir/current" "$o_mine/current" && mv -fT "$o_mine/current" "$o_to/current" || return 1
	else
		mv -fT "$o_to/current" "$o_mine/removed" || return 1
		rm -f -- "$o_mine/removed"
	fi
}

# Run what makes the old release take effect, until something fails.
activate_old() {
	set -f
	IFS=$o_separator
	# shellcheck disable=SC2086
	set -- $o_all
	unset IFS
	set +f
	o_all=
	while [ -n "$o_steps" ]; do
		o_left=${o_dividers#?}
		printf %s "$1" | (
			shift $#
			attempt "${o_limits%% *}" "${o_dividers%"$o_left"}"
		)
		o_status=$?
		came "${o_steps%% *} $o_status"
		[ "$o_status" -eq 0 ] || break
		o_steps=${o_steps#* }
		o_limits=${o_limits#* }
		o_dividers=$o_left
		shift
	done
}

clock
read_start "$$"
ln -sn "$o_boot:$$:$o_start" "$o_dir/timer" 2>/dev/null || exit 0
printf up
exec >/dev/null 2>&1
o_end=$((${o_now%.*} + o_bound))
o_since=${o_now%.*}
# Until somebody decides, us included. Where even renaming does not work (a disk that is read-only now), it may later.
while [ -f "$o_dir/armed" ]; do
	clock
	o_now=${o_now%.*}
	# A script of the step runs; it may be one of an overtaken run, which is gone on with.
	for o_file in "$o_to"/.octo-ssh/confirm.*/beats; do ! is_beating "$o_file" || o_since=$o_now; done
	if [ -n "$o_now_then" ] || [ "$o_now" -gt "$((o_since + o_within))" ] || [ "$o_now" -gt "$o_end" ]; then
		mv -fT "$o_dir/armed" "$o_dir/reverted" && break
	fi
	sleep 1 &
	wait "$!" || kill "$!"
done
[ -f "$o_dir/reverted" ] || exit 0
# A script of the step that comes late finds nothing to write to, and does not begin.
[ ! -d "$o_flip" ] || rm -f -- "$o_dir/beats"
if ! point_back; then
	mv -fT "$o_dir/reverted" "$o_dir/overtaken"
	exit 0
fi
flush "$o_to"
if [ ! -f "$o_dir/came" ]; then
	logger -t octo-ssh -- "$o_told"
	activate_old
fi
came end
rm -f -- "$o_dir/current" "$o_dir/new"
exit 0
