# The work folder: what scripts of runs left in it. Expects $o_root; comes after job.sh.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Nothing begins any more in the folders of other runs than $1, whatever is still on its way there. For logins other than
# root their mode alone sees to that, and also for what is started with sudo.
fence_work() {
	for o_name in "$o_root"/work/*; do
		if [ "${o_name##*/}" = "$1" ] || [ ! -d "$o_name" ] || [ -L "$o_name" ]; then continue; fi
		ln -sn over "$o_name/over" 2>/dev/null
		chmod 500 "$o_name" 2>/dev/null
	done
}

# Remove the folder of every run in which nothing is at work any more. Expects $o_boot (clock).
sweep_work() {
	for o_name in "$o_root"/work/* "$o_root"/work/.[!.]*; do
		o_busy=
		for o_link in "$o_name"/*/go; do
			read_go "$o_link"
			if is_alive; then o_busy=1; fi
		done
		[ -z "$o_busy" ] || continue
		[ -L "$o_name" ] || chmod -R u+rwX -- "$o_name" 2>/dev/null
		rm -rf -- "$o_name"
	done
}
