# Everything that a check for drift looks at, in one go. Words: root project environment, then those of tell_watched
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
find_root "$1"
o_project=$2
o_environment=$3
shift 3
tell_facts
read_lease
tell_lease
tell_jobs
tell_journal
tell_baseline "$o_project" "$o_environment"
tell_watched "$@"
finish 0
