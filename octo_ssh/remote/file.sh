# Make a file as it should be. Its content, where that changes, is the input.
# Words: path token short-name content(0|1) bytes sha256 mode|'' new-mode owner|'' group|'' parents(0|1) expected-kind|''
# shellcheck shell=sh disable=SC2016,SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
trap '' PIPE
trap clean EXIT
trap 'exit 1' HUP INT TERM
place_of "$1"
o_path=$o_at
o_folder=${o_at%/*}/
o_base=${o_at##*/}
o_token=$2
o_leftover=./.$3.octo-
o_part=$o_leftover$o_token
o_content=$4
o_size=$5
o_want=$6
o_mode=$7
o_fresh_mode=$8
o_owner=$9
shift 9
o_group=$1
o_parents=$2
o_expected=$3
o_mine=0

# Away with what is not complete.
clean() {
	if [ "$o_mine" -eq 2 ]; then
		rm -f -- "./$o_token"
		cd -P .. || return 0
	fi
	[ "$o_mine" -eq 0 ] || rmdir -- "$o_part" 2>/dev/null
	o_mine=0
}

# Fails for everything but a file and, where that will do, nothing; and for what is not what was seen before. $1: where
# it is, from the working folder.
judge() {
	o_at=$1
	see_file
	case $o_kind in
	file) ;;
	absent) [ "$o_content" -eq 1 ] || fail "$o_path is gone: plan again" ;;
	link) fail "$o_path is a symbolic link: octo-ssh does not follow it; remove it" ;;
	unreadable) fail "$o_path cannot be looked at by $(id -un)" ;;
	*) fail "$o_path is not a regular file: move it away" ;;
	esac
	[ "${o_expected:-$o_kind}" = "$o_kind" ] || is_written ||
		fail "$o_path was seen as: $o_expected; and is now: $o_kind. Somebody else is at work there: plan again"
}

# The file $o_at holds the content already: an earlier try of this program may have written it.
is_written() {
	[ "$o_content:$o_kind" = 1:file ] && o_sum=$({ sha256sum <"$o_at"; } 2>/dev/null) && [ "${o_sum%% *}" = "$o_want" ]
}

# A folder that nobody else can enter, beside the file, as the working folder: whatever the folder's own rules give to new
# files, and whoever else may write to it, nobody reads or replaces what is being written, and `..` is the folder whatever
# becomes of its path. What killed runs left goes; their folders hold one file at most, and others may have made more.
enter_part() {
	for o_name in "$o_leftover"????????; do
		case ${o_name##*-} in *[!0-9a-f]*) continue ;; esac
		if [ -d "$o_name" ] && [ ! -L "$o_name" ]; then
			rm -f -- "$o_name/${o_name##*-}"
			rmdir -- "$o_name"
		fi
	done 2>/dev/null
	try "$o_folder cannot be written to" mkdir -m 700 -- "$o_part"
	o_mine=1
	cd -P -- "$o_part" || fail "$o_folder is being changed by somebody else: plan again"
	[ "$(pwd -P && printf .)" = "$o_here/${o_part#./}
." ] || fail "$o_folder is being changed by somebody else: plan again"
	o_mine=2
	o_said=$(stat -c '%u %a' .)
	case $o_said in
	"$(id -u) 700" | "$(id -u) "?700) ;;
	*) fail "$o_folder: a folder made in it must belong to $(id -un) and to nobody else: owner and mode are $o_said" ;;
	esac
}

# Root, or whoever acts, gives a file away in place: it must not be one that has its home elsewhere, linked to here.
no_second_name() {
	case $(stat -L -c %h /proc/self/fd/0 <&4) in 1) return 0 ;; esac
	case $(stat -c '%u %a' .) in
	*[2367]) ;;
	"0 "* | "$(id -u) "*) return 0 ;;
	esac
	fail "$o_path has other names (hard links), and others may write to its folder: whose file it is cannot be told; remove it"
}

# The input, whole and right.
take_content() {
	o_said=$({
		set -C
		head -c "$o_size" >"$o_token"
	} 2>&1) || fail "$o_path cannot be written: $o_said; $(room .)"
	if [ "$(wc -c <"$o_token")" -ne "$o_size" ]; then
		has_room . || fail "$o_path cannot be written: $o_said; $(room .)"
		fail "$o_path: its content was cut off"
	fi
	o_sum=$(sha256sum <"$o_token")
	[ "${o_sum%% *}" = "$o_want" ] || fail "$o_path: what arrived is not what was sent; its sha256 is ${o_sum%% *}"
}

# The open file (descriptor 4, so that nobody swaps it) gets owner, group and mode. $1: its mode until it has its owner.
shape() {
	o_now=$(stat -L -c '%u:%g:%U:%G' /proc/self/fd/0 <&4) || fail "$o_path: /proc is missing on the target"
	o_who=
	o_uid=${o_now%%:*}
	o_now=${o_now#*:}
	o_gid=${o_now%%:*}
	o_now=${o_now#*:}
	case $o_owner in '' | "$o_uid" | "${o_now%%:*}") ;; *) o_who=$o_owner ;; esac
	case $o_group in '' | "$o_gid" | "${o_now#*:}") ;; *) o_who=$o_who:$o_group ;; esac
	if [ -n "$o_who" ]; then
		try "$o_path: its mode cannot be set" chmod "$1" /proc/self/fd/0 <&4
		if ! o_said=$(chown -- "$o_who" /proc/self/fd/0 2>&1 <&4); then
			chmod "$o_before" /proc/self/fd/0 <&4 2>/dev/null
			o_hint=
			[ "$(id -u)" -eq 0 ] || o_hint=' (only root may give files away: `become: true`)'
			fail "$o_path cannot belong to $o_who$o_hint: $o_said"
		fi
	fi
	try "$o_path: its mode cannot be set" chmod "$o_mode" /proc/self/fd/0 <&4
}

# A label of its own where the machine has such: the old file's, else what the policy says of the path.
label() {
	[ -e /sys/fs/selinux/enforce ] || return 0
	if [ "$o_kind" = file ]; then
		chcon --reference="../$o_base" -- "./$o_token"
	else
		restorecon -F -- "$o_here/$o_base"
	fi >/dev/null 2>&1
}

judge "$o_path"
o_expected=$o_kind
[ "$o_parents" -eq 1 ] || [ -d "$o_folder" ] ||
	fail "the folder $o_folder is not there: make it in a step before, or say \`parents: true\`"
walk "${o_folder%/}" "$o_parents"
judge "./$o_base"
if [ "$o_kind" = file ]; then
	o_before=$(stat -c '%a:%u:%g' -- "./$o_base") || fail "$o_path went away"
	o_tail=${o_before#*:}
	o_before=0${o_before%%:*}
	o_mode=${o_mode:-$o_before}
	o_owner=${o_owner:-${o_tail%:*}}
	o_group=${o_group:-${o_tail#*:}}
else
	o_before=0600
	o_mode=${o_mode:-$o_fresh_mode}
fi
if [ "$o_content" -eq 1 ]; then
	enter_part
	take_content
	exec 4<"$o_token"
	shape 0600
	judge "../$o_base"
	[ "$o_kind" = absent ] || label
	flush "./$o_token"
	try "$o_path cannot be replaced" mv -fT -- "./$o_token" "../$o_base"
	[ "$o_kind" = file ] || label
	clean
else
	{ : <"./$o_base"; } 2>/dev/null || fail "$o_path cannot be read by $(id -un)"
	exec 4<"./$o_base"
	[ "$(stat -L -c '%d %i' /proc/self/fd/0 <&4)" = "$(stat -c '%d %i' -- "./$o_base")" ] ||
		fail "$o_path is being replaced by somebody else: plan again"
	no_second_name
	shape "$(printf '%04o' "$((o_before & o_mode))")"
	flush "./$o_base"
fi
flush .
o_at=$o_path
tell_file ''
finish 0
