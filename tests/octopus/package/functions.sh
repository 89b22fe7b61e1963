# shellcheck shell=bash
remember_previous() {
    set_octopusvariable "Previous" "$(get_octopusvariable "Octopus.Tentacle.PreviousInstallation.PackageVersion")"
}
