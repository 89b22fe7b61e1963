# Ask a URL until it answers as it should. Words: url text|'' within-s every-s
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
exec 3<&0
o_url=$1
o_wanted=$2
read_clock
o_until=$((o_second + $3))
case $o_url in
http://* | https://*) ;;
*) fail "not an http or https URL: $o_url" ;;
esac
if command -v curl >/dev/null 2>&1; then
	o_tool=curl
elif command -v wget >/dev/null 2>&1; then
	o_tool=wget
	o_strict=
	o_said=$(wget --help 2>&1)
	case $o_said in *--max-redirect*) o_strict='--max-redirect=0 --tries=1' ;; esac
	# It would write down which hosts want https.
	case $o_said in *--no-hsts*) o_strict="$o_strict --no-hsts" ;; esac
else
	fail 'neither curl nor wget is on the target: one of them must be there to ask a URL'
fi

# Ask once, for $1 seconds: the body goes to file descriptor 5, the status to 3.
ask() {
	if [ "$o_tool" = curl ]; then
		o_code=$(curl -q -gsS --proto '=http,https' --max-time "$1" -o /dev/fd/5 -w '%{http_code}' --url "$o_url" 2>&5)
	elif command -v timeout >/dev/null 2>&1; then
		# shellcheck disable=SC2086
		timeout "$1" wget -q -O - $o_strict -- "$o_url" >&5 2>&5 && o_code=200 || o_code=000
	else
		# shellcheck disable=SC2086
		wget -q -O - $o_strict -- "$o_url" >&5 2>&5 && o_code=200 || o_code=000
	fi
	printf '%s' "${o_code:-000}" >&3
}

# The beginning of a body; the rest is read away, as a tool whose reader stops calls that a failure.
begin() {
	head -c 65536
	cat >/dev/null
}

# When input ends, nobody waits for the answer any more.
(
	while read -r o_line <&3; do :; done
	kill -TERM $$
) >/dev/null 2>&1 &
o_watcher=$!
trap 'mark exit-cancelled; finish 0' TERM
exec 3<&-

o_passed=1
while :; do
	read_clock
	o_left=$((o_until - o_second))
	[ "$o_left" -ge 1 ] || o_left=1
	[ "$o_left" -le 5 ] || o_left=5
	# The body first, then the status: it is handed on when head has ended.
	o_said=$({ { ask "$o_left" 5>&1 >/dev/null | begin >&4; } 3>&1 | { o_code=$(cat); printf %s "$o_code"; }; } 4>&1)
	case $o_said in
	*2[0-9][0-9])
		case ${o_said%???} in *"$o_wanted"*) o_passed=0 ;; esac
		;;
	esac
	[ "$o_passed" -ne 0 ] || break
	may_try_again "$4" || break
	sleep "$o_nap" &
	wait $!
done
kill "$o_watcher" 2>/dev/null
mark last
printf 'HTTP status %s\n' "$(printf %s "$o_said" | tail -c 3)"
printf %s "${o_said%???}" | head -c 4096
mark "exit-$o_passed"
finish 0
