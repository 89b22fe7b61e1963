#!/bin/sh
# Made by octo-ssh. In the unit of a service: ExecStartPre=-<this file>. Where the machine lost power while a release
# waited for its confirmation, it is the release before that starts.
cd "${0%/*}" && read -r boot </proc/sys/kernel/random/boot_id || exit 0
for timer in confirm.*; do
	[ -f "$timer/armed" ] && armed=$(readlink "$timer/timer") && [ "${armed%%:*}" != "$boot" ] || continue
	[ "$(readlink ../current)" = "$(readlink "$timer/new")" ] || continue
	mv -T "$timer/armed" "$timer/reverted" || continue
	if [ -L "$timer/current" ]; then mv -T "$timer/current" ../current; else rm -f ../current; fi
	echo guard >"$timer/came"
done
