#!/bin/bash
# Forward packets of $cidr to the internet, and nothing else.
set -Eeuo pipefail
# An instance that is not set up must not look healthy: it ends, and the group starts another one.
trap 'shutdown -h now' ERR

if ! command -v nft; then
  # Amazon Linux 2023 has the kernel's part alone. Its own repository has the command, in the
  # version that belongs to the image; the smallest instances need swap to unpack it.
  fallocate -l 1G /swapfile
  chmod 600 /swapfile
  mkswap /swapfile
  swapon /swapfile
  for pause in 5 10 20 40 80; do
    dnf install -y --setopt=install_weak_deps=False nftables && break
    sleep "$$pause"
  done
fi

cat >/etc/sysctl.d/90-nat.conf <<'SYSCTL'
net.ipv4.ip_forward = 1
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
SYSCTL

cat >/etc/sysconfig/nftables.conf <<'RULES'
flush ruleset
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat
    ip saddr $cidr ip daddr != $cidr masquerade
  }
}
table ip filter {
  chain input {
    type filter hook input priority filter
    policy drop
    ct state established,related accept
    iif lo accept
  }
  chain forward {
    type filter hook forward priority filter
    policy drop
    ct state established,related accept
    ip saddr $cidr ip daddr != $cidr accept
  }
}
RULES

sysctl --load /etc/sysctl.d/90-nat.conf
systemctl enable --now nftables
nft list chain ip nat postrouting
