# Files and units, in one go. Words: those of tell_resources
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
tell_resources "$@"
finish 0
