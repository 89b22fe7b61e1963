# Places, files and units alone, as another user or once more. Words: root (absolute), then as `drift`
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
o_root=$1
o_project=$2
o_environment=$3
shift 3
tell_watched "$@"
finish 0
