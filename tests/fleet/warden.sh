#!/bin/sh
# Holds what one fleet is made of, for as long as its standard input is open; then ends and removes all of it.
#
# Usage: unshare --mount --propagation private warden.sh NUMBER hold|sweep|probe
# Everything mounted here (overlays, network namespaces) is seen by this mount namespace alone and goes with it. The
# hosts' processes all live under one cgroup, so that ending them needs no list. The test run may die any death: the
# end of standard input is noticed all the same.
set -eu

number=$1 purpose=$2
cgroup=/sys/fs/cgroup/octo-fleet-$number

sweep() {
    if [ -d "$cgroup" ]; then
        echo 1 >"$cgroup/cgroup.kill"
        tries=100
        while grep -q '^populated 1' "$cgroup/cgroup.events" && [ "$tries" -gt 0 ]; do
            sleep 0.05
            tries=$((tries - 1))
        done
        find "$cgroup" -depth -type d -exec rmdir {} +
    fi
    ! ip link show "octo$number" >/dev/null 2>&1 || ip link delete "octo$number"
    rm -rf "/run/octo-fleet/$number.files"
}

if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup # this machine has the old layout, or a mixed one
fi
sweep
case $purpose in
sweep) exit 0 ;;
probe) # can a fleet be had here at all?
    mkdir "$cgroup"
    rmdir "$cgroup"
    ip link add "octo$number" type bridge
    ip link delete "octo$number"
    unshare --net mount -t tmpfs tmpfs /mnt
    exit 0
    ;;
esac

# Each systemd takes half a dozen of root's inotify instances: the usual 128 are gone with twenty hosts.
limit=/proc/sys/fs/inotify/max_user_instances
if [ "$(cat $limit)" -lt 4096 ]; then
    echo 4096 >$limit || true # a machine that forbids it can still boot a few
fi

trap '' INT TERM HUP
mkdir -p /run/netns /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs /run/netns
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn
mount -t tmpfs -o mode=755,size=80% tmpfs "/run/octo-fleet/$number"
mkdir "$cgroup"
echo ready
cat >/dev/null
sweep
