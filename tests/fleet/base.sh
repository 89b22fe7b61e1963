#!/bin/sh
# Run once inside the base (chroot): the users and settings that every host of the fleet has.
set -eu

# What a host without a network of its own would wait for, or what would start by itself in the middle of a test.
systemctl mask --quiet systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service \
    systemd-resolved.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer console-getty.service getty.target systemd-tmpfiles-clean.timer
systemctl disable --quiet nginx.service
rm -f /etc/nginx/sites-enabled/default

useradd --create-home --shell /bin/bash deploy
useradd --create-home --shell /bin/bash deploy-root
useradd --create-home --shell /bin/bash deploy-pw
echo deploy-pw:octopus | chpasswd

umask 226
echo 'deploy ALL=(root) NOPASSWD: /usr/bin/systemctl' >/etc/sudoers.d/deploy-systemctl
echo 'deploy ALL=(root) NOPASSWD: /usr/bin/systemd-run' >/etc/sudoers.d/deploy-systemd-run
echo 'deploy-root ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy-root
echo 'deploy-pw ALL=(ALL:ALL) ALL' >/etc/sudoers.d/deploy-pw
visudo --check --quiet

: >/etc/default/locale # what pam_env looks for at each login

# Each host gets its own at its first boot.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /etc/machine-id /etc/resolv.conf
rm -rf /var/cache/apt/* /var/lib/apt/lists/*
