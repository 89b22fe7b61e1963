# The target's memory: journal.jsonl and state/<project>/<environment>.json, in $o_root.
# The input of programs that write it: journal lines, and the baseline or nothing (take_two).
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# Append $o_one to the journal, then replace the baseline by $o_two; both are on disk afterwards. $1 project,
# $2 environment.
write_memory() {
	if [ -n "$o_one" ]; then
		o_file=$o_root/journal.jsonl
		[ ! -L "$o_file" ] || fail "$o_file is a symbolic link: octo-ssh does not follow it; remove it"
		# A line that a power cut left unfinished must not swallow the next one.
		if [ -s "$o_file" ] && [ "$(tail -c 1 "$o_file" | wc -l)" -eq 0 ]; then
			o_one="
$o_one"
		fi
		{ printf '%s' "$o_one" >>"$o_file"; } 2>/dev/null || fail "$o_file cannot be written: is the disk full?"
		flush "$o_file"
	fi
	if [ -n "$o_two" ]; then
		no_trap "$o_root/state"
		no_trap "$o_root/state/$1"
		try 'the baseline cannot be written' mkdir -p "$o_root/state/$1"
		o_file=$o_root/state/$1/$2.json
		{ printf '%s\n' "$o_two" >"$o_file.new"; } 2>/dev/null ||
			fail "$o_file.new cannot be written: is the disk full?"
		flush "$o_file.new"
		try 'the baseline cannot be replaced' mv -f "$o_file.new" "$o_file"
		flush "$o_root/state/$1"
	fi
}

# The section `journal`: its size, then its last line.
tell_journal() {
	mark journal
	if [ -f "$o_root/journal.jsonl" ] && [ ! -L "$o_root/journal.jsonl" ]; then
		wc -c <"$o_root/journal.jsonl"
		tail -n 1 "$o_root/journal.jsonl" | head -c 4000000
	fi
}

# The section `baseline`, where there is one. $1 project, $2 environment.
tell_baseline() {
	o_file=$o_root/state/$1/$2.json
	if [ ! -e "$o_file" ] && [ ! -L "$o_file" ]; then
		nearest "$o_root/state/$1"
		[ -x "$o_at" ] || [ ! -e "$o_root" ] || fail "$o_at cannot be looked into: is $o_file there?"
		return 0
	fi
	# A pipe would keep whoever opens it.
	if [ ! -f "$o_file" ] || [ -L "$o_file" ]; then fail "$o_file is no file: move it away"; fi
	mark baseline
	head -c 33554432 "$o_file" || fail "$o_file cannot be read"
}
