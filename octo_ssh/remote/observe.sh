# Everything that a plan is made from, in one go. Words: root project environment, then for each place: to, n, n shared
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
[ -z "$o_project" ] || tell_baseline "$o_project" "$o_environment"
tell_places "$@"
finish 0
