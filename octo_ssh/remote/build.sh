# Lay a release out beside its place, complete and configured; `commit` gives it its name. The section `bundle` says
# instead what is wrong with the bundle in the store.
# Words: to root project environment folder base manifest-sha256 bundle-sha256 gz|zst store|input
#   total-bytes text-bytes configured-bytes lines-out lines-in odd-folders moves epoch token
#   shared… (with a leading 1: to be seeded)
# shellcheck shell=sh disable=SC2016,SC2034,SC2154,SC2329  # parts of programs, put together by source.py
umask 022
absolute "$1"
o_to=$o_at
o_root=$2
o_project=$3
o_environment=$4
o_folder=$5
o_base=
[ -z "$6" ] || o_base=$o_to/releases/$6
o_want=$7
o_bundle=$8
o_packed=$9
shift 9
o_supply=$1
o_total=$2
o_text=$3
o_configured=$4
o_out=$5
o_in=$6
o_odd=$7
o_moves=$8
o_flip_epoch=$9
shift 9
o_flip_token=$1
shift
check_place
look_at_find
o_scratch=$o_to/.octo-ssh/build.$o_folder
o_part=$o_to/releases/.$o_folder.tmp
o_built=0

# A tool in a pipe failed: a file less remembers it, for which there is room on a full disk, too.
broke() { rm -f -- "$o_scratch/well"; }

# Fails with what the tools of a pipe said, and what is free: on a full disk there was no room for what they said.
unbroken() {
	if [ -e "$o_scratch/well" ] && { printf '' >"$o_scratch/well"; } 2>/dev/null; then return 0; fi
	failed "$1: $(cat "$o_scratch"/*.said 2>/dev/null | head -c 4000)"
}

# Fails with a sentence, and what is free.
failed() { fail "$1; $(room "$o_to")"; }

# A tar into the release. busybox's tar applies the umask to what the archive says; nobody else can enter $o_part yet.
extract() (
	umask 0
	tar -xpof - -C "$o_part" || broke
)

# Files from folder $1 to folder $2, one name a line. In as few batches as fit an argument list: busybox's tar reads no
# names from a file.
carry() {
	tr '\n' '\0' | xargs -0 sh -c '
		from=$1 into=$2 scratch=$3
		shift 3
		{ tar -cf - -C "$from" -- "$@" 2>>"$scratch/from.said" || rm -f -- "$scratch/well"; } |
			{ umask 0; tar -xpof - -C "$into" 2>>"$scratch/to.said" || rm -f -- "$scratch/well"; }
		' sh "$1" "$2" "$o_scratch" 2>>"$o_scratch/batch.said" || broke
}

# Nobody else's place, and ours from now on.
claim() {
	judge_place
	case $o_place in
	foreign) fail "$o_to belongs to somebody else: $o_owner" ;;
	unreadable) fail "$o_to cannot be read" ;;
	esac
	try "$o_to cannot be made" mkdir -p "$o_to"
	try "$o_to cannot be used" mkdir -p "$o_to/.octo-ssh" "$o_to/releases" "$o_to/shared"
	[ "$o_place" = absent ] || return 0
	{ owner_text >"$o_to/.octo-ssh/owner.$$"; } 2>/dev/null || {
		rm -f -- "$o_to/.octo-ssh/owner.$$"
		failed "$o_to/.octo-ssh cannot be written"
	}
	try "$o_to cannot be claimed" mv -f "$o_to/.octo-ssh/owner.$$" "$o_to/.octo-ssh/owner"
}

# Away with what is not complete.
clean() {
	if [ "$o_built" -eq 0 ]; then
		chmod -R u+rwX -- "$o_part" 2>/dev/null
		rm -rf -- "$o_part" "$o_part.json"
	fi
	rm -rf -- "$o_scratch"
}

# The input, in pieces: lines and names, configured files, and where so agreed the bundle.
take_input() {
	o_said=$({ head -c "$o_total" >"$o_scratch/input"; } 2>&1) || failed "$o_scratch cannot be written: $o_said"
	if [ "$(wc -c <"$o_scratch/input")" -ne "$o_total" ]; then
		has_room "$o_scratch" || failed "$o_scratch cannot be written: $o_said"
		fail 'the input was cut off'
	fi
	{ head -c "$o_text" "$o_scratch/input" | { gzip -dc || broke; } >"$o_scratch/text"; } 2>"$o_scratch/input.said"
	unbroken 'the input cannot be unpacked'
	{
		head -n "$o_out" "$o_scratch/text" >"$o_scratch/out" &&
			tail -n "+$((o_out + 1))" "$o_scratch/text" | head -n "$o_in" >"$o_scratch/in" &&
			tail -n "+$((o_out + o_in + 1))" "$o_scratch/text" | head -n "$o_odd" >"$o_scratch/odd" &&
			tail -n "+$((o_out + o_in + o_odd + 1))" "$o_scratch/text" | head -n "$((3 * o_moves))" >"$o_scratch/moves" &&
			tail -n "+$((o_out + o_in + o_odd + 3 * o_moves + 1))" "$o_scratch/text" >"$o_scratch/names"
	} 2>"$o_scratch/input.said" || failed "the input cannot be unpacked: $(cat "$o_scratch/input.said")"
	if [ "$o_supply" = input ]; then
		o_store=$o_scratch/bundle
		{ tail -c "+$((o_text + o_configured + 1))" "$o_scratch/input" >"$o_store"; } 2>/dev/null ||
			failed "$o_store cannot be written"
	else
		o_store=$o_root/store/$o_bundle
		[ -e "$o_store" ] || send_again gone
		[ -r "$o_store" ] || fail "$o_store cannot be read by $(id -un)"
	fi
	o_sum=$(sha256sum <"$o_store")
	[ "${o_sum%% *}" = "$o_bundle" ] || send_again damaged
}

# The end for a bundle that is not what it was. $1: what is wrong with it.
send_again() {
	mark bundle
	printf %s "$1"
	finish 0
}

# The manifest: the base's, less the lines that go, with the lines that come. Those of what is damaged in the base do
# both, so that `kept` has the lines of what can be taken from it.
make_manifest() {
	{
		{
			[ -z "$o_base" ] || grep '^,' "$o_base.json"
			cat "$o_scratch/out"
		} | LC_ALL=C sort | uniq -u >"$o_scratch/kept"
		printf '[{"manifest":1}\n'
		cat "$o_scratch/kept" "$o_scratch/in" | LC_ALL=C sort
		printf ']\n'
	} >"$o_part.json" 2>"$o_scratch/manifest.said"
	chmod 600 "$o_part.json"
	o_sum=$(sha256sum <"$o_part.json")
	[ "${o_sum%% *}" = "$o_want" ] ||
		failed "the manifest does not come out right: ${o_base:+$o_base.json was changed, or }the disk is full"
}

# Files whose lines stay are copied from the base. Names that need quoting are in the bundle.
copy_unchanged() {
	[ -n "$o_base" ] || return 0
	grep '","kind":"file",' "$o_scratch/kept" | grep -v '[\]' | grep -v '^,{"path":"-' |
		{ cut -d '"' -f 4 >"$o_scratch/unchanged" || broke; } 2>/dev/null
	[ ! -s "$o_scratch/unchanged" ] || carry "$o_base" "$o_part" <"$o_scratch/unchanged"
	unbroken "files cannot be copied from $o_base"
}

# Files that only moved: where whole paths below a folder stay, all in one, else one by one. Nothing is followed.
move_files() {
	o_line=1
	while IFS= read -r o_from && IFS= read -r o_name && IFS= read -r o_count; do
		if [ "$o_count" -eq 0 ]; then
			try "a file cannot be copied from $o_base" cp -pPR -- "$o_base/$o_from" "$o_part/$o_name"
		else
			tail -n "+$o_line" "$o_scratch/names" | head -n "$o_count" | carry "$o_base/$o_from" "$o_part/$o_name"
			o_line=$((o_line + o_count))
		fi
	done <"$o_scratch/moves"
	unbroken "files cannot be copied from $o_base"
}

# Folders that their owner may not write to: $1 is u+rwx while they are filled, empty for what the manifest says.
set_odd_folders() {
	while read -r o_mode o_name; do
		o_name=$(printf '%b.' "$o_name")
		try "a folder's mode cannot be set" chmod "${1:-$o_mode}" "$o_part/${o_name%.}"
	done <"$o_scratch/odd"
}

# What was sent.
unpack() {
	case $o_packed in
	zst) zstd -dcq --long=31 <"$o_store" 2>"$o_scratch/from.said" || broke ;;
	*) gzip -dc <"$o_store" 2>"$o_scratch/from.said" || broke ;;
	esac | extract 2>"$o_scratch/to.said"
	unbroken "the release cannot be unpacked to $o_part"
}

# Files configured for this target.
add_configured() {
	[ "$o_configured" -eq 0 ] || {
		tail -c "+$((o_text + 1))" "$o_scratch/input" | head -c "$o_configured" |
			extract
	} 2>"$o_scratch/to.said"
	unbroken 'configured files cannot be written'
}

# <to>/shared/$1 from the package, where it is not there yet; without contents, an empty folder.
share() {
	o_name=${1#?}
	[ ! -e "$o_to/shared/$o_name" ] && [ ! -L "$o_to/shared/$o_name" ] || return 0
	o_parents=$o_to/shared
	case $o_name in
	*/*)
		o_left=${o_name%/*}/
		while [ -n "$o_left" ]; do
			o_parents=$o_parents/${o_left%%/*}
			o_left=${o_left#*/}
			no_trap "$o_parents"
		done
		try "$o_parents cannot be made" mkdir -p "$o_parents"
		;;
	esac
	if [ "${1%"$o_name"}" = 1 ] && [ -e "$o_part/.octo-ssh-seeds/$o_name" ]; then
		try "$o_to/shared/$o_name cannot be made" mv -T "$o_part/.octo-ssh-seeds/$o_name" "$o_to/shared/$o_name"
	else
		try "$o_to/shared/$o_name cannot be made" mkdir "$o_to/shared/$o_name"
	fi
}

[ ! -e "$o_to/releases/$o_folder" ] || [ ! -e "$o_to/releases/$o_folder.json" ] ||
	fail "$o_to/releases/$o_folder is complete: it is never written again"
claim
grant_flip "$o_flip_epoch" "$o_flip_token"
alone_in_place
clear_place
chmod -R u+rwX -- "$o_to/releases/$o_folder" 2>/dev/null
rm -rf -- "$o_to/releases/$o_folder" "$o_to/releases/$o_folder.json"
trap clean EXIT
try "$o_scratch cannot be made" mkdir -m 700 "$o_scratch"
try "$o_part cannot be made" mkdir -m 700 "$o_part"
{ printf '' >"$o_scratch/well"; } 2>/dev/null || failed "$o_scratch cannot be written"
take_input
make_manifest
unpack
set_odd_folders u+rwx
copy_unchanged
move_files
add_configured
for o_name; do share "$o_name"; done
rm -rf -- "$o_part/.octo-ssh-seeds"
set_odd_folders ''
try "$o_part cannot be opened" chmod 755 "$o_part"
if [ -e /sys/fs/selinux/enforce ] && command -v restorecon >/dev/null 2>&1; then
	restorecon -RF "$o_part" >/dev/null 2>&1
fi
cd -- "$o_part" || fail "$o_part cannot be read"
tell_tree
cd / || exit
o_built=1
finish 0
