#!/bin/sh
# Installs Debian packages, quietly unless that fails: apt-install.sh PACKAGE...
set -eu

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing $*"
if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"; } \
    >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "apt-get could not install $*" >&2
    exit 1
fi
