# shellcheck shell=bash
echo "The release lies in $(get_octopusvariable "Octopus.Action.Package.InstallationDirectoryPath")"
words=(one two three)
write_highlight "Deploy.sh knows ${#words[@]} words"
