#!/bin/bash
# A later step, on each of the web servers: what an earlier one said here, there, and on nobody.
instance=$(get_octopusvariable "Octopus.Action[Work things out].Output.AppInstanceName")
here=$(get_octopusvariable "Octopus.Action[Test].Output.TestResult")
there=$(get_octopusvariable "Octopus.Action[Test].Output[Web02].TestResult")
nobody=$(get_octopusvariable "Octopus.Action[Nobody].Output.TestResult")
echo "instance=$instance here=$here there=$there nobody='$nobody'"
if [[ "$there" == "Failed" ]]; then
    write_warning "Web02 failed its test"
fi
