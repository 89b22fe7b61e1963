#!/bin/bash
# JSON comes in as a variable, and goes out as an output, quotes, braces and all.
settings=$(get_octopusvariable "App.Settings")
if [[ "$settings" =~ \"port\":\ *([0-9]+) ]]; then
    port=${BASH_REMATCH[1]}
fi
set_octopusvariable "Port" "${port:-none}"
read -r -d '' document <<JSON || true
{"url": "http://localhost:$port/", "tags": ["a", "b c"], "note": "it's \"quoted\" \\\\ ü"}
JSON
set_octopusvariable "Document" "$document"
echo "##octopus[stdout-verbose]"
echo "$settings"
echo "##octopus[stdout-default]"
