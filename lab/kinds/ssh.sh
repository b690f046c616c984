# shellcheck shell=bash
# OpenSSH with passwords and an ed25519 host key of its own.

managed=yes
port=22 protocol=ssh
title="an OpenSSH host"
packages=(openssh-server openssh-client openssl procps nftables)
units=(ssh ssh.socket)

server_keys() { make_ssh_key; }
server_pins() { ssh_public_key; }

server_setup() {
  mkdir -p /run/sshd
  make_pam sshd
  install -m 0600 "$keys/ssh_host_ed25519_key" /etc/ssh/lab_host_key
  # Later lines of the machine's own configuration must not leak in, so it is replaced and not extended.
  cat >/etc/ssh/sshd_config <<'CONF'
Port 22
HostKey /etc/ssh/lab_host_key
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PubkeyAuthentication yes
PermitRootLogin no
PrintMotd yes
SetEnv LANG=C.UTF-8
UseDNS no
# Tests open many connections at once.
MaxStartups 200
MaxSessions 100
Subsystem sftp internal-sftp
CONF
}

server_run() { serve sshd /usr/sbin/sshd -D -e; }

server_ready() { probe_ssh "$address" "$port" >/dev/null; }
