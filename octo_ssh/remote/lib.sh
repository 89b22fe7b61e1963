# Begins every program: says that it is up, and what all share. $1 is the nonce, which no child is told.
# shellcheck shell=sh disable=SC2034,SC2088,SC2154,SC2329  # parts of programs, put together by source.py
unset o_nonce o_at o_root o_input o_one o_two CDPATH IFS
# What rc files export to change how tools behave when nobody says otherwise.
unset TAR_OPTIONS GZIP GREP_OPTIONS POSIXLY_CORRECT _POSIX2_VERSION
o_nonce=$1
shift
printf '%s up\n' "$o_nonce"

# Begin a section of the reply.
mark() { printf '%s %s\n' "$o_nonce" "$1"; }

# The end of the reply.
finish() {
	mark "end $1"
	exit "$1"
}

# The end, with a sentence for people.
fail() {
	mark problem
	printf '%s' "$1"
	finish 1
}

# Run a command; its words are the sentence when it fails. $1: what it was to do.
try() {
	o_what=$1
	shift
	o_said=$("$@" 2>&1) || fail "$o_what: $o_said"
}

# $o_at: the path as an absolute one; ~ and relative paths lie in the login's home.
absolute() {
	case $1 in
	'~') o_at=${HOME:-/} ;;
	'~/'*) o_at=${HOME%/}/${1#??} ;;
	/*) o_at=$1 ;;
	*) o_at=${HOME%/}/$1 ;;
	esac
	case /$o_at/ in
	*/../*) fail "$1: a path may not hold '..'" ;;
	esac
}

# $o_at: the nearest folder that exists at or above a path.
nearest() {
	o_at=$1
	while [ ! -d "$o_at" ]; do
		case $o_at in
		*/*) o_at=${o_at%/*} ;;
		*) o_at= ;;
		esac
		[ -n "$o_at" ] || o_at=/
	done
}

# $o_at: the path absolute, links in its parents resolved as far as those exist; its last name is not followed.
physical() {
	absolute "$1"
	while [ "$o_at" != "${o_at%/}" ] && [ "$o_at" != / ]; do o_at=${o_at%/}; done
	[ "$o_at" != / ] || return 0
	o_whole=$o_at
	nearest "${o_at%/*}"
	o_tail=${o_whole#"${o_at%/}"/}
	if o_real=$(cd -P "$o_at" 2>/dev/null && pwd -P); then
		o_at=${o_real%/}/$o_tail
	else
		o_at=$o_whole
	fi
}

# Fails for a link or anything else that stands where a folder of ours must be.
no_trap() {
	if [ -L "$1" ]; then
		fail "$1 is a symbolic link: octo-ssh does not follow it; remove it"
	elif [ -e "$1" ] && [ ! -d "$1" ]; then
		fail "$1 is not a folder: remove it"
	fi
}

# $o_root: the root, absolute. Fails where it is there but not ours alone.
find_root() {
	physical "$1"
	o_root=$o_at
	no_trap "$o_root"
	[ -d "$o_root" ] || return 0
	o_said=$(stat -c '%u %a' -- "$o_root" 2>&1) || fail "$o_root: $o_said"
	case $o_said in
	"$(id -u) 700" | "$(id -u) "?700) ;;
	*) fail "$o_root must belong to the login and to nobody else (chmod 700): owner and mode are $o_said" ;;
	esac
	for o_name in work store state lock; do no_trap "$o_root/$o_name"; done
	# Whoever looks would not follow it, and whoever compares would.
	o_name=$o_root/journal.jsonl
	[ ! -L "$o_name" ] || fail "$o_name is a symbolic link: octo-ssh does not follow it; remove it"
}

# The input of $1 bytes: two texts, $o_one and $o_two, each ended by the character $2. (Cutting with # is quadratic in
# dash, splitting is not.)
take_two() {
	o_input=$(head -c "$1" 2>/dev/null; printf .)
	case $o_input in
	*"$2"*"$2".) o_input=${o_input%.} ;;
	*) fail 'the input was cut off' ;;
	esac
	set -f
	IFS=$2
	# shellcheck disable=SC2086
	set -- $o_input
	unset IFS
	set +f
	o_input=
	# zsh counts what follows the last divider too.
	[ $# -le 2 ] || [ "$#$3" = 3 ] || fail 'the input has more than two parts'
	o_one=$1
	o_two=$2
}

# Free blocks, a block's bytes, free inodes and all, and the id of the file system at a folder; or nothing.
disk() { stat -f -c '%a %S %d %c %i' -- "$1" 2>/dev/null; }

# What is at these paths takes so many KiB and inodes: two numbers.
taken() {
	o_kib=0
	o_nodes=0
	for o_name; do
		[ -e "$o_name" ] || continue
		o_said=$(du -sk -- "$o_name" 2>/dev/null)
		o_said=${o_said%%[!0-9]*}
		o_kib=$((o_kib + ${o_said:-0}))
		o_nodes=$((o_nodes + $(find "$o_name" 2>/dev/null | wc -l)))
	done
	printf ' %s %s' "$o_kib" "$o_nodes"
}

# What is free at a folder, for a sentence.
room() {
	disk "$1" | while read -r o_free o_block o_nodes o_every o_id; do
		[ "$o_every" -eq 0 ] || o_id=", and $o_nodes new files"
		[ "$o_every" -ne 0 ] || o_id=
		printf '%s' "there is room for $((o_free * o_block)) bytes$o_id at $1"
	done
}

# Whether a little more can be written in folder $1: not every `head` tells that it could not.
has_room() {
	o_said=$({ printf . >"$1/.room.$$"; } 2>&1)
	o_status=$?
	rm -f -- "$1/.room.$$"
	return "$o_status"
}

# End every other program that holds file $1 open as this one does, as descriptor 8: what a lost connection left at work,
# or a run that was overtaken. What it starts holds the file, too.
# shellcheck disable=SC3013  # every sh of a Linux system has -ef
end_others() {
	[ "/proc/$$/fd/8" -ef "$1" ] || fail "$1 was taken by another program, or /proc is missing"
	read_clock
	o_until=$((o_second + 10))
	while :; do
		o_others=
		for o_name in /proc/[0-9]*; do
			[ "$o_name/fd/8" -ef "$1" ] && [ "${o_name##*/}" != "$$" ] || continue
			kill -KILL "${o_name##*/}" 2>/dev/null
			o_others="$o_others ${o_name##*/}"
		done
		[ -n "$o_others" ] || return 0
		may_try_again 1 || fail "$1 is held by programs of an earlier try that cannot be ended:$o_others"
		sleep 0.1 2>/dev/null || sleep 1
	done
}

# Write buffers of a file to disk.
flush() { sync -- "$1" 2>/dev/null || sync; }

# $o_second: of a clock that nobody sets, where the target has one.
read_clock() {
	o_second=
	{ IFS=' .' read -r o_second o_rest </proc/uptime; } 2>/dev/null
	[ -n "$o_second" ] || o_second=$(date +%s)
}

# Whether there is time for another try before $o_until; $o_nap: the seconds to wait for it, $1 at most.
may_try_again() {
	read_clock
	o_nap=$((o_until - o_second))
	[ "$o_nap" -gt 0 ] || return 1
	[ "$o_nap" -le "$1" ] || o_nap=$1
}
