# What scripts may call to speak to octo-ssh: octo_* and Octopus's own functions, under dash, bash, ash, ksh and zsh.
# Given to a script as one line (functions.py), and only what it names: every line here must stand that. It runs in the
# script's own shell, whatever that has set (-e, -u, pipefail), and leaves no variable behind.
# shellcheck shell=sh disable=SC2018,SC2019,SC2030,SC2031,SC2034,SC2154,SC2329

# Print a text as it is. Where printf is a program, others could see it among its arguments.
octo_print() { case $(command -v printf) in */*) print -rn -- "$1" ;; *) printf %s "$1" ;; esac; }
octo_encode() { octo_print "$1" | { base64 || openssl enc -base64; } 2>/dev/null | tr -d '\n'; }
octo_decode() { octo_print "$1" | { base64 -d || openssl enc -base64 -A -d; } 2>/dev/null; }

# Print a message. $1: its kind, then attributes and their values in turns.
octo_send() (
	octo_line=$1
	while [ $# -gt 2 ]; do
		octo_line="$octo_line $2='$(octo_encode "$3")'"
		shift 2
	done
	echo "##octopus[$octo_line]"
)

# Print a text at a level. $1: the level.
octo_say() {
	echo "##octopus[stdout-$1]"
	shift
	octo_print "$*"
	echo
	echo '##octopus[stdout-default]'
}

octo_set() { octo_send setVariable name "$1" value "${2-}"; }
octo_secret() { octo_send setVariable sensitive True name "$1" value "${2-}"; }
octo_progress() { octo_send progress percentage "$1" message "${2-}"; }
octo_highlight() { octo_say highlight "$@"; }
octo_warn() { octo_say warning "$@"; }

# A file for the controller. $1: its path, $2: a name for it.
octo_artifact() (
	if [ ! -f "$1" ]; then
		echo "octo_artifact: $1 is not there or not a file" >&2
		exit 1
	fi
	case $1 in */*) octo_folder=${1%/*}/ ;; *) octo_folder=. ;; esac
	octo_folder=$(unset CDPATH && cd -- "$octo_folder" && pwd -P) || exit 1
	octo_size=$(wc -c <"$1") || exit 1
	octo_send createArtifact path "${octo_folder%/}/${1##*/}" name "${2:-${1##*/}}" length "$((octo_size))"
)

# The value of a variable, by its name in Octopus or in the plan; nothing where there is none.
octo_get() (
	set +eu
	octo_name=$1
	case $octo_name in
	Octopus.Action\[*\].Output.Package.InstallationDirectoryPath) octo_name=OCTO_RELEASE_DIR ;;
	Octopus.Action\[*\].Output.* | Octopus.Action\[*\].Output\[*) octo_output "$1" && exit ;;
	Octopus.Release.Number | Octopus.Action.Package.PackageVersion) octo_name=OCTO_RELEASE ;;
	Octopus.Action.Package\[*\].PackageVersion) octo_name=OCTO_RELEASE ;;
	Octopus.Release.*Number | Octopus.Tentacle.PreviousInstallation.PackageVersion) octo_name=OCTO_PREVIOUS_RELEASE ;;
	Octopus.Environment.Name) octo_name=OCTO_ENVIRONMENT ;;
	Octopus.Project.Name) octo_name=OCTO_PROJECT ;;
	Octopus.Machine.Name) octo_name=OCTO_TARGET ;;
	Octopus.Machine.Roles) octo_name=OCTO_TAGS ;;
	Octopus.Action.Name | Octopus.Step.Name) octo_name=OCTO_STEP ;;
	Octopus.Deployment.Id | Octopus.RunbookRun.Id | Octopus.Task.Id) octo_name=OCTO_RUN ;;
	Octopus.Action.Package.InstallationDirectoryPath | OctopusOriginalPackageDirectoryPath) octo_name=OCTO_RELEASE_DIR ;;
	Octopus.Action.Package\[*\].ExtractedPath) octo_name=${octo_name#*\[} && octo_name=OCTO_RELEASE_DIR_$(octo_upper "${octo_name%%\].*}") ;;
	esac
	octo_value "$octo_name"
)

# A name as variables have it: what is no letter, digit or _ becomes _ (a character of several bytes, one _).
octo_plain() { octo_print "$1" | LC_ALL=C tr -d '\200-\277' | LC_ALL=C tr -c A-Za-z0-9_ _; }
octo_upper() { octo_plain "$1" | LC_ALL=C tr a-z A-Z; }

# The value of the variable that has this name, which may hold any character.
octo_value() {
	set -- "$(octo_plain "$1")"
	case $1 in [A-Za-z_]*) eval "octo_print \"\${$1-}\"" ;; esac
}

# An output of a step: Octopus.Action[STEP].Output.NAME or Octopus.Action[STEP].Output[TARGET].NAME. $1: that.
octo_output() {
	octo_rest=${1#*\[}
	octo_step=${octo_rest%%\].Output*}
	octo_rest=${octo_rest#"$octo_step"\].Output}
	octo_tab=$(printf '\t')
	octo_id=$(octo_print "${OCTO_STEP_IDS-}" | octo_find "$octo_step")
	octo_id=${octo_id:-$octo_step}
	octo_target=
	case $octo_rest in \[*\].*) octo_target=${octo_rest#\[} && octo_target=${octo_target%%\].*} ;; esac
	octo_rest=${octo_rest#"[$octo_target]"}
	octo_rest=${octo_rest#.}
	if [ -n "$octo_target" ]; then
		octo_found=$(octo_outputs | octo_find "$octo_id" "$octo_target" "$octo_rest")
		if [ -n "$octo_found" ]; then octo_decode "$octo_found"; fi
		if [ -n "$octo_found" ] || [ "$octo_target" != "${OCTO_TARGET-}" ]; then return 0; fi
	fi
	octo_value "OCTO_OUTPUT_$(octo_upper "$octo_id")_$octo_rest"
}

# All lines of OCTO_OUTPUTS, OCTO_OUTPUTS_2, and so on: a variable holds only so much.
octo_outputs() {
	octo_lines=${OCTO_OUTPUTS-}
	octo_number=1
	while [ -n "$octo_lines" ]; do
		octo_print "$octo_lines"
		octo_number=$((octo_number + 1))
		eval "octo_lines=\${OCTO_OUTPUTS_$octo_number-}"
	done
}

# The last field of the line of standard input whose other fields are the words.
octo_find() {
	octo_line=
	for octo_word in "$@"; do octo_line=$octo_line$octo_word$octo_tab; done
	while IFS= read -r octo_given || [ -n "$octo_given" ]; do
		case $octo_given in "$octo_line"*) octo_print "${octo_given#"$octo_line"}" ;; esac
	done
}

get_octopusvariable() { octo_get "$1"; }
set_octopusvariable() { case ${3-} in -sensitive) octo_secret "$1" "${2-}" ;; *) octo_set "$1" "${2-}" ;; esac; }
new_octopusartifact() { octo_artifact "$@" || exit 1; }
update_progress() { octo_progress "$@"; }
write_verbose() { octo_say verbose "$@"; }
write_highlight() { octo_say highlight "$@"; }
write_wait() { octo_say wait "$@"; }
write_warning() { octo_say warning "$@"; }
encode_servicemessagevalue() { octo_encode "$1"; }
decode_servicemessagevalue() { octo_decode "$1"; }

# End the script as failed. $1: why.
fail_step() {
	if [ -n "${1-}" ]; then octo_send resultMessage message "$1"; fi
	exit 1
}
