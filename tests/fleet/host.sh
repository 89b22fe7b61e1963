#!/bin/sh
# Boots one host of a fleet and stays until it is off; a reboot (nspawn ends with 133) starts it again.
#
# Usage: host.sh NUMBER NAME, inside the warden's mount namespace.
set -eu

number=$1 name=$2
cgroup=/sys/fs/cgroup/octo-fleet-$number/$name
mkdir -p "$cgroup"
echo $$ >"$cgroup/cgroup.procs"

while :; do
    status=0
    systemd-nspawn --quiet --register=no --keep-unit --boot --console=read-only \
        --directory="/run/octo-fleet/$number/$name/root" --machine="octo$number-$name" --hostname="$name" \
        --network-namespace-path="/run/netns/$name" --capability=CAP_NET_ADMIN \
        --resolv-conf=off --timezone=off --link-journal=no </dev/null || status=$?
    [ "$status" -eq 133 ] || exit "$status"
done
