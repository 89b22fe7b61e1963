# What stands at the path of a file step, and what systemd says of units; nothing is opened for writing.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# $o_at: the path absolute, without empty parts and dots. Links in it stay.
place_of() {
	absolute "$1"
	o_tail=$o_at/
	o_at=
	while [ -n "$o_tail" ]; do
		o_name=${o_tail%%/*}
		o_tail=${o_tail#*/}
		case $o_name in
		'' | .) ;;
		*) o_at=$o_at/$o_name ;;
		esac
	done
	o_at=${o_at:-/}
}

# $o_kind of what is at $o_at, as the model says it, and $o_stat: mode in hexadecimal, uid, gid, size, user and group,
# empty where it cannot be looked at. $o_lone: 1 where the folder it should lie in is not there. Links are followed in
# its parents alone.
see_file() {
	o_lone=0
	if o_stat=$(stat -c '%f:%u:%g:%s:%U:%G' -- "$o_at" 2>/dev/null); then
		case $o_stat in
		8*) o_kind='file' ;;
		4*) o_kind=folder ;;
		a*) o_kind='link' ;;
		*) o_kind=other ;;
		esac
		return
	fi
	o_stat=
	o_kind=absent
	# Whatever else is wrong (a disk that fails, a server that is away) is no answer.
	case $(LC_ALL=C stat -- "$o_at" 2>&1) in
	*': No such file or directory' | *': Not a directory') ;;
	*) o_kind=unreadable ;;
	esac
	o_whole=$o_at
	[ -d "${o_at%/*}/" ] || o_lone=1
	nearest "${o_at%/*}"
	o_tail=${o_whole#"${o_at%/}"/}
	# A link above it may lead to where one may not look, or to nowhere: that cannot be told apart.
	if [ ! -x "$o_at" ] || [ -L "${o_at%/}/${o_tail%%/*}" ]; then o_kind=unreadable; fi
	o_at=$o_whole
}

# Go to the folder $1 of a path that place_of made; $o_here: where it really is. Missing ones are made if $2 is 1.
# Name by name, and the kernel follows no link: whoever may write to one of them may put a link there at any moment, and
# would lead root elsewhere. A link is followed where root or whoever acts made it, or where it leads to its maker's own.
walk() {
	o_rest=${1#/}
	o_rest=$o_rest${o_rest:+/}
	o_links=0
	o_here=
	cd / || fail '/ cannot be entered'
	while [ -n "$o_rest" ]; do
		o_name=${o_rest%%/*}
		o_rest=${o_rest#*/}
		if [ -z "$o_name" ]; then
			# Behind an empty name: who made the link that led here.
			[ "$(stat -c %u .)" = "${o_rest%%/*}" ] ||
				fail "$1: a link in it was made by user ${o_rest%%/*} and leads to ${o_here:-/}, which belongs to somebody else: octo-ssh does not follow it; name the folder itself"
			o_rest=${o_rest#*/}
		elif [ -L "./$o_name" ]; then
			follow "$1"
		else
			if [ "$2" -eq 1 ] && [ ! -e "./$o_name" ]; then
				o_said=$(umask 022 && mkdir -- "./$o_name" 2>&1) || [ -d "./$o_name" ] || fail "$1 cannot be made: $o_said"
			fi
			cd -P -- "./$o_name" 2>/dev/null || fail "$1 cannot be entered by $(id -un)"
			case $o_name in
			.) ;;
			..) o_here=${o_here%/*} ;;
			*) o_here=$o_here/$o_name ;;
			esac
			[ "$(pwd -P && printf .)" = "${o_here:-/}
." ] || fail "$1 is being changed by somebody else: plan again"
		fi
	done
}

# Put what the link $o_name says before $o_rest. $1: for whom.
follow() {
	o_links=$((o_links + 1))
	[ "$o_links" -le 40 ] || fail "$1: its links lead in a circle"
	o_said=$(readlink -n -- "./$o_name" | tr -s / && printf .)
	o_said=${o_said%.}
	o_uid=$(stat -c %u -- "./$o_name") || fail "$1 is being changed by somebody else: plan again"
	case $o_uid in 0 | "$(id -u)") ;; *) o_rest=/$o_uid/$o_rest ;; esac
	o_rest=${o_said%/}/$o_rest
	case $o_said in
	/*)
		o_rest=${o_rest#/}
		o_here=
		cd /
		;;
	esac
}

# What is at $o_at: section `file`, fields ended by NUL. Section `content`, compressed, where its sha256 is not $1 and it
# is small; without $1, never.
tell_file() {
	see_file
	o_sum=
	if [ "$o_kind" = file ]; then
		o_sum=$({ sha256sum <"$o_at"; } 2>/dev/null) || o_kind=unreadable
		o_sum=${o_sum%% *}
	fi
	mark file
	printf '%s\0' "$o_at" "$o_kind" "$o_lone" "$o_stat" "$o_sum"
	[ -n "$1" ] && [ "$o_kind" = file ] && [ "$o_sum" != "$1" ] || return 0
	o_tail=${o_stat#*:*:*:}
	[ "${o_tail%%:*}" -le 65536 ] || return 0
	mark content
	{ head -c 65536 <"$o_at" | gzip -1; } 2>/dev/null
}

# Whether systemd runs here.
has_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; }

# $o_value: the property $1 out of $o_said.
property() {
	o_value=${o_said#*"
$1="}
	[ "$o_value" != "$o_said" ] || o_value=
	o_value=${o_value%%
*}
}

# $o_said: a block of properties for each unit.
ask_units() {
	o_said=$(systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p InvocationID -p MainPID \
		-p FragmentPath -p DropInPaths -- "$@" 2>/dev/null)
	[ -n "$o_said" ] || fail "systemctl does not tell: $(systemctl show -p LoadState -- "$@" 2>&1 | head -c 1000)"
}

# The section `units`: what systemd says of each; empty where it does not run. Then `unit-files`, fields ended by NUL for
# each: what digest_unit says, working folder and program of its main process, path and sum of each of its files, and an
# empty one.
tell_units() {
	o_said=
	if has_systemd; then ask_units "$@"; fi
	mark units
	printf '%s\n' "$o_said"
	[ -n "$o_said" ] || return 0
	mark unit-files
	o_blocks=$o_said
	o_line='
'
	for o_unit; do
		o_said=$o_line${o_blocks%%"$o_line$o_line"*}
		o_blocks=${o_blocks#*"$o_line$o_line"}
		printf '%s\0' "$(digest_unit)"
		property MainPID
		case $o_value in
		'' | 0 | *[!0-9]*) printf '\0\0' ;;
		*) printf '%s\0' "$(readlink "/proc/$o_value/cwd" 2>/dev/null)" "$(readlink "/proc/$o_value/exe" 2>/dev/null)" ;;
		esac
		each_unit_file tell_unit_file
		printf '\0'
	done
}

# A sha256 over paths and contents of the files of the unit $o_unit, in no order; empty where one may not be read.
digest_unit() {
	o_lines=$(each_unit_file digest_line | LC_ALL=C sort -u)
	case $o_lines in *unreadable*) return 0 ;; esac
	o_sum=$(printf %s "$o_lines" | sha256sum)
	printf %s "${o_sum%% *}"
}

# $o_sum: the sha256 of the path $1, or a word for what has none; empty where nothing is there. An empty path stands for
# what may not be listed.
sum_unit_file() {
	if [ -z "$1" ]; then
		o_sum=unreadable
	elif [ -f "$1" ]; then
		o_sum=$({ sha256sum <"$1"; } 2>/dev/null) || o_sum=unreadable
	elif [ -e "$1" ]; then
		o_sum=special
	elif [ -L "$1" ]; then
		o_sum=dangling
	else
		nearest "${1%/*}"
		o_sum=
		[ -x "$o_at" ] || o_sum=unreadable
	fi
	o_sum=${o_sum%% *}
}

# One line for the path $1 and its content; none where it is not there.
digest_line() {
	sum_unit_file "$1"
	case $o_sum in
	'') ;;
	unreadable) echo unreadable ;;
	*) printf '%s\0%s\n' "$1" "$o_sum" | sha256sum ;;
	esac
}

# The path $1 and its sum, each ended by NUL, where something is there.
tell_unit_file() {
	[ -n "$1" ] || return 0
	if [ -e "$1" ] || [ -L "$1" ]; then
		sum_unit_file "$1"
		printf '%s\0%s\0' "$1" "$o_sum"
	fi
}

# Call $1 with each file that systemd names for the unit $o_unit, or would take when it is asked to look again: a file
# that was put there since counts too, and one that was taken away does not. One may come twice; an empty path stands for a
# folder that may not be listed.
each_unit_file() {
	property FragmentPath
	o_files=$o_value
	property DropInPaths
	set -f
	IFS=' '
	# systemd quotes odd names; those are found below.
	# shellcheck disable=SC2086
	set -- "$1" $o_files $o_value
	unset IFS
	set +f
	o_call=$1
	shift
	for o_file; do
		case $o_file in
		/lib/*) if [ -L /lib ]; then o_file=/usr$o_file; fi ;;
		/*) ;;
		*) continue ;;
		esac
		"$o_call" "$o_file"
	done
	o_template=$o_unit
	case $o_unit in *@*.*) o_template=${o_unit%%@*}@.${o_unit##*.} ;; esac
	for o_folder in /etc/systemd/system.control /run/systemd/system.control /etc/systemd/system /run/systemd/system \
		/usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
		if [ "$o_folder" = /lib/systemd/system ] && [ -L /lib ]; then continue; fi
		for o_name in "$o_unit" "$o_template"; do
			"$o_call" "$o_folder/$o_name"
			o_file=$o_folder/$o_name.d
			if [ -d "$o_file" ] && { [ ! -r "$o_file" ] || [ ! -x "$o_file" ]; }; then "$o_call" ''; fi
			for o_file in "$o_folder/$o_name.d"/*.conf; do
				if [ -e "$o_file" ] || [ -L "$o_file" ]; then "$o_call" "$o_file"; fi
			done
		done
	done
}

# Words: n, n times path and sha256|'', then units
tell_resources() {
	o_left=$1
	shift
	while [ "$o_left" -gt 0 ]; do
		place_of "$1"
		tell_file "$2"
		shift 2
		o_left=$((o_left - 1))
	done
	[ $# -eq 0 ] || tell_units "$@"
}
