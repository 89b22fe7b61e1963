#!/bin/bash
# A first step that works things out for later ones.
name="shop-$(get_octopusvariable "Octopus.Environment.Name" | tr '[:upper:]' '[:lower:]')"
echo "The instance is called $name"
set_octopusvariable "AppInstanceName" "$name"
set_octopusvariable "TestResult" "Passed"
set_octopusvariable "Release Notes" "First line
Second line"
