# shellcheck shell=bash
# xrdp 0.9 with xorgxrdp: TLS, no NLA; a session host that keeps sessions over disconnects.

managed=yes
port=3389 protocol=rdp security=tls sessions_max=20
title="xrdp session host"
source "$lab_src/lib/desktop.sh"
packages=(xrdp xorgxrdp xserver-xorg-core xauth fuse3 openssl "${desktop_packages[@]}")
units=(xrdp xrdp-sesman)

server_keys() { make_tls; }
server_pins() { say "sha256:$(tls_fingerprint)"; }

server_setup() {
  make_desktop
  make_pam xrdp-sesman
  install -m 0600 "$keys/tls.key" /etc/xrdp/lab.key
  install -m 0644 "$keys/tls.crt" /etc/xrdp/lab.crt
  install -m 0644 "$lab_src/files/xrdp.ini" "$lab_src/files/sesman.ini" /etc/xrdp/
  ln -sf /etc/lab/session /etc/xrdp/startwm.sh
  mkdir -p /etc/X11
  say "allowed_users=anybody" >/etc/X11/Xwrapper.config
  make_fuse
  mkdir -p /run/xrdp
  mkdir -m 3777 /run/xrdp/sockdir
}

server_run() {
  serve xrdp-sesman xrdp-sesman --nodaemon
  serve xrdp xrdp --nodaemon
}

server_ready() { [[ "$(probe_rdp "$address" "$port" 3)" == "selected 1" ]]; }
