# The target's memory: journal.jsonl and state/<project>/<environment>.json, in $o_root.
# The input of programs that write it: journal lines, and the baseline or nothing (take_two).
# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # parts of programs, put together by source.py

# $o_head: the sha256 of the journal's last line without its newline, empty where there is none; of the one before with 2.
read_head() {
	o_head=
	if [ -s "$o_root/journal.jsonl" ]; then
		# Not through a variable: what a power cut left may hold NUL bytes.
		o_head=$(tail -n "${1:-1}" "$o_root/journal.jsonl" | head -n 1 | tr -d '\n' | sha256sum) || fail 'sha256sum failed'
		o_head=${o_head%% *}
	fi
}

# Whether the journal's last line is not finished: the power went, or the disk was full.
is_torn() { [ -s "$o_root/journal.jsonl" ] && [ "$(tail -c 1 "$o_root/journal.jsonl" | wc -l)" -eq 0 ]; }

# Whether the last of the lines in $o_one, of sha256 $1, is the journal's last already; then there is none to be written.
is_written() {
	[ -n "$1" ] && [ "$o_head" = "$1" ] || return 1
	o_one=
}

# Whether the lines in $o_one may be written: the journal ends with the line of sha256 $1, or has them already and ends
# with $2. What stands behind $1 unfinished is of an earlier try.
follows() {
	read_head
	[ "$o_head" != "$1" ] || return 0
	! is_written "$2" || return 0
	if is_torn; then
		read_head 2
		[ "$o_head" != "$1" ] || return 0
	fi
	o_wrong="somebody else wrote to $o_root/journal.jsonl"
	return 1
}

# Append $o_one to the journal, then replace the baseline by $o_two; both are on disk afterwards. $1 project,
# $2 environment. Fails with $o_wrong; then neither is half written.
write_memory() {
	[ -z "$o_one" ] || write_lines || return 1
	[ -z "$o_two" ] || write_baseline "$o_root/state/$1" "$2"
}

# Append $o_one to the journal.
write_lines() {
	o_file=$o_root/journal.jsonl
	o_wrong="$o_file is a symbolic link: octo-ssh does not follow it; remove it"
	[ ! -L "$o_file" ] || return 1
	# A line that a power cut left unfinished must not swallow the next one.
	if is_torn; then
		o_one="
$o_one"
	fi
	o_size=0
	[ ! -s "$o_file" ] || o_size=$(wc -c <"$o_file")
	{ printf '%s' "$o_one" >>"$o_file"; } 2>/dev/null || {
		o_wrong="$o_file cannot be written: is the disk full?"
		truncate -s "$o_size" -- "$o_file" 2>/dev/null
		return 1
	}
	flush "$o_file"
}

# Replace $1/$2.json by $o_two.
write_baseline() {
	o_file=$1/$2.json
	o_wrong="$1 is a symbolic link: octo-ssh does not follow it; remove it"
	[ ! -L "$o_root/state" ] && [ ! -L "$1" ] || return 1
	o_wrong="$1 cannot be made: is the disk full?"
	mkdir -p "$1" 2>/dev/null || return 1
	o_wrong="$o_file.new cannot be written: is the disk full?"
	{ printf '%s\n' "$o_two" >"$o_file.new"; } 2>/dev/null || {
		rm -f -- "$o_file.new"
		return 1
	}
	flush "$o_file.new"
	o_wrong="$o_file cannot be replaced"
	mv -f "$o_file.new" "$o_file" 2>/dev/null || return 1
	flush "$1"
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
