# Away with what unfinished builds left. Words: to
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
absolute "$1"
o_to=$o_at
check_place
alone_in_place
clear_place
finish 0
