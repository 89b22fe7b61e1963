# For `doctor`: the facts, and how the machine treats what a login leaves running. Words: root
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
find_root "$1"
tell_facts
read_lease
tell_lease
mark linger
if command -v busctl >/dev/null 2>&1; then
	busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager \
		KillUserProcesses 2>/dev/null </dev/null
fi
finish 0
