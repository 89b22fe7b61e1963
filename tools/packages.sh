#!/bin/sh
# Sees to the system's packages that the tests use. As root on Debian it installs what is missing; anyone else is
# told which tests will be left out.
set -eu

# command:package:tests that need it
needs='
sshd:openssh-server:on real OpenSSH servers
ssh:openssh-client:on real OpenSSH servers
busybox:busybox:of remote programs under busybox
dash:dash:of remote programs under dash
zstd:zstd:of zstd packages on a target
sudo:sudo:of become
curl:curl:of http checks
csh:csh:of csh as a login shell
fish:fish:of fish as a login shell
ps:procps:on real OpenSSH servers
setsid:util-linux:of remote programs
xz:xz-utils:of xz packages
debootstrap:debootstrap:on booted Debian hosts
systemd-nspawn:systemd-container:on booted Debian hosts
ip:iproute2:on booted Debian hosts
chromium:chromium:of the report in a browser
'

PATH=$PATH:/usr/sbin:/sbin
missing='' told=''
for need in $(printf '%s' "$needs" | tr ' ' '_'); do
    tool=${need%%:*} rest=${need#*:}
    command -v "$tool" >/dev/null && continue
    missing="$missing ${rest%%:*}"
    told="$told  no $tool: tests $(printf '%s' "${rest#*:}" | tr '_' ' ') are left out
"
done

if [ -z "$missing" ]; then
    exit 0
elif [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null && [ -e /etc/debian_version ]; then
    # shellcheck disable=SC2086 # a list of package names
    sh tools/apt-install.sh $missing
else
    printf '%s' "$told"
    if [ -e /etc/debian_version ]; then
        echo "  (as root, make test installs:$missing)"
    fi
fi
