# Decide what becomes of a release that waits for a confirmation, unless somebody has; tell how it stands.
# Words: to own-token state|'' patience-s (for what goes on there)
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py
absolute "$1"
o_to=$o_at
check_place
o_own=$o_to/.octo-ssh/confirm.$2
no_trap "$o_own"
clock
[ -z "$3" ] || mv -fT "$o_own/armed" "$o_own/$3" 2>/dev/null
end_timer "$o_own" "$4"
mark timers
tell_timer "$o_own"
finish 0
