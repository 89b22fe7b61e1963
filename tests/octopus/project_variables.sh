#!/bin/bash
set -o errexit -o nounset -o pipefail
connectionString=$(get_octopusvariable "MyApp.ConnectionString")
echo "Connection string is: $connectionString"
if [ "$(get_octopusvariable "MyApp:Features:Checkout")" == "true" ]; then
    echo "Checkout is on"
fi
optional=$(get_octopusvariable "MyApp.Nothing")
echo "${optional:-a default}"
project=$(get_octopusvariable "Octopus.Project.Name")
release=$(get_octopusvariable "Octopus.Release.Number")
echo "$project $release on $(get_octopusvariable "Octopus.Machine.Name") ($(get_octopusvariable "Octopus.Machine.Roles"))"
