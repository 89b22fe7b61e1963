#!/bin/bash
set -euo pipefail
password="correct horse battery staple"
set_octopusvariable "Password" "$password" -sensitive
set_octopusvariable "ConnectionString" "Server=db;Password='$password';" -sensitive
set_octopusvariable "User" "shop"
