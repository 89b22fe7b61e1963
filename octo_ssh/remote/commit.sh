# Give a release that was built its name: manifest first, then the folder. Words: to folder
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 077
absolute "$1"
o_to=$o_at
check_place
o_part=$o_to/releases/.$2.tmp
o_done=$o_to/releases/$2
[ -d "$o_part" ] && [ -f "$o_part.json" ] || fail "$o_part was not built"
[ ! -e "$o_done" ] && [ ! -L "$o_done" ] || fail "$o_done exists: a complete release is never written again"
sync -f "$o_part" 2>/dev/null || sync
try "$o_done cannot be made" mv -fT "$o_part.json" "$o_done.json"
try "$o_done cannot be made" mv -T "$o_part" "$o_done"
flush "$o_to/releases"
rm -rf -- "$o_to/.octo-ssh/build.$2"
finish 0
