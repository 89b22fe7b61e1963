# The work folder: what scripts of runs left in it. Expects $o_root; comes after job.sh.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# $o_busy: 1 where a script is at work in the folder $1 of a run. Expects $o_boot (clock).
look_for_work() {
	o_busy=
	for o_link in "$1"/*/go; do
		read_go "$o_link"
		if is_alive; then o_busy=1; fi
	done
}

# Nothing begins any more in the folders of other runs than $1, whatever is still on its way there. For logins other than
# root their mode alone sees to that, and also for what is started with sudo. A script that is gone on with works there:
# it goes on writing.
fence_work() {
	for o_name in "$o_root"/work/*; do
		if [ "${o_name##*/}" = "$1" ] || [ ! -d "$o_name" ] || [ -L "$o_name" ]; then continue; fi
		ln -sn over "$o_name/over" 2>/dev/null
		look_for_work "$o_name"
		[ -n "$o_busy" ] || chmod 500 "$o_name" 2>/dev/null
	done
}

# Remove the folder of every run in which nothing is at work any more.
sweep_work() {
	for o_name in "$o_root"/work/* "$o_root"/work/.[!.]*; do
		look_for_work "$o_name"
		[ -z "$o_busy" ] || continue
		[ -L "$o_name" ] || chmod -R u+rwX -- "$o_name" 2>/dev/null
		rm -rf -- "$o_name"
	done
}
