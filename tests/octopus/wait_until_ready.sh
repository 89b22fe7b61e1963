#!/bin/bash
function ready() {
    attempts=$((attempts + 1))
    [ "$attempts" -ge 3 ]
}
attempts=0
until ready; do
    write_wait "Not ready yet (attempt $attempts)"
done
write_highlight "Ready after $attempts attempts"
set_octopusvariable "Attempts" $attempts
