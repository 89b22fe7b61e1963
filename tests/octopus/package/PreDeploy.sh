#!/bin/bash
if [ "$(get_octopusvariable "ShouldFail")" == "yes" ]; then
    fail_step "Asked to fail"
fi
echo "$(get_octopusvariable "Greeting") from ${BASH_SOURCE[0]##*/} in ${PWD##*/}"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/functions.sh"
remember_previous
