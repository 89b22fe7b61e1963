# Which jobs stand in the work folder. Expects $o_root and $o_boot (clock); comes after job.sh.
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# The section `jobs`: of each run, job, link `go`, link `status`, and 1 where it still runs; each ended by NUL.
tell_jobs() {
	mark jobs
	o_count=0
	for o_name in "$o_root"/work/*/*/go; do
		read_go "$o_name"
		case $o_go in run/*) ;; *) continue ;; esac
		o_name=${o_name%/go}
		o_run=${o_name%/*}
		# Whatever is left out, nothing that still runs is.
		if is_alive; then
			o_alive=1
		else
			o_alive=0
			o_count=$((o_count + 1))
			[ "$o_count" -le 200 ] || continue
		fi
		printf '%s\0' "${o_run##*/}" "${o_name##*/}" "$o_go" "$(readlink "$o_name/status" 2>/dev/null)" "$o_alive"
	done
}
