#!/bin/bash
set -euo pipefail
required=("Database.Name" "Database.Port")
for name in "${required[@]}"; do
    value=$(get_octopusvariable "$name")
    if [ -z "$value" ]; then
        fail_step "The variable $name has no value for $(get_octopusvariable "Octopus.Environment.Name")"
    fi
    echo "$name is $value"
done
echo "never reached"
