# Run a file of a package as a script. script.py sets octo_file, octo_functions and octo_convention (1: a shell reads it
# in any case, bash where its first line names no other) in lines before these.
# shellcheck shell=sh disable=SC2016,SC2086,SC2154
octo_line=
[ ! -r "$octo_file" ] || IFS= read -r octo_line <"$octo_file" || :
octo_return=$(printf '\r')
octo_mark=$(printf '\357\273\277')
octo_run='. "$0"'
# What editors on Windows leave, and no shell takes: line ends, a byte order mark.
case $octo_line in
"$octo_mark"*) octo_run='eval "$(tail -c +4 "$0" | tr -d "\r")"' ;;
*"$octo_return") octo_run='eval "$(tr -d "\r" <"$0")"' ;;
esac
octo_line=${octo_line%"$octo_return"}
octo_line=${octo_line#"$octo_mark"}
set -f
case $octo_line in '#!'*) set -- ${octo_line#??} ;; *) set -- ;; esac
if [ "${1##*/}" = env ]; then shift; fi
if [ "${1-}" = -S ]; then shift; fi
case ${1##*/} in sh | bash | dash | ash | ksh | ksh93 | mksh | zsh) ;; *) set -- ;; esac
if [ "$octo_convention" -eq 1 ]; then
	[ $# -gt 0 ] || set -- sh
	if [ "${1##*/}" = sh ] || ! command -v "$1" >/dev/null; then
		shift
		if command -v bash >/dev/null; then set -- bash "$@"; else set -- sh "$@"; fi
	fi
fi
[ $# -gt 0 ] || exec "$octo_file"
octo_shell=$1
shift
exec "$octo_shell" -c "$@" "$octo_functions; $octo_run" "$octo_file"
