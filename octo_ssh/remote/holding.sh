# Who holds the target, and where its journal ends. Words: root
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
find_root "$1"
read_lease
tell_lease
tell_jobs
mark root
printf '%s\0' "$o_root"
read_head
mark head
printf %s "$o_head"
finish 0
