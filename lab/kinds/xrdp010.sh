# shellcheck shell=bash
# xrdp 0.10 of Debian 13 with backports: H.264 by x264, resize while connected, sound, microphone, drives.
# Debian 12 has 0.9, and Debian 13 without backports has an xrdp that was built without H.264.

optional=yes
rootfs=trixie rootfs_expects="xrdp 0.10.6"
port=3389 protocol=rdp security=tls sessions_max=20
title="an xrdp 0.10 session host"
source "$lab_src/lib/desktop.sh"
packages=(xrdp/trixie-backports xorgxrdp/trixie-backports pipewire-module-xrdp pipewire pipewire-pulse wireplumber
  pulseaudio-utils dbus-x11 xserver-xorg-core xauth openssl fuse3 iproute2 xclip
  freerdp3-shadow-x11 winpr3-utils xvfb "${desktop_packages[@]}")

server_keys() { make_tls; }
server_pins() { say "sha256:$(tls_fingerprint)"; }

server_setup() {
  make_desktop
  make_fuse
  make_pam xrdp-sesman
  install -m 0755 "$lab_src/files/session-sound" "$lab_src/files/tone" /etc/lab/
  install -m 0600 "$keys/tls.key" /etc/xrdp/lab.key
  install -m 0644 "$keys/tls.crt" /etc/xrdp/lab.crt
  # The package's own files, so that they fit its version. As root throughout: the key is root's.
  sed -i -e 's/^runtime_\(user\|group\)=/;&/' -e 's/^security_layer=.*/security_layer=tls/' -e 's/^autorun=.*/autorun=Xorg/' \
    -e 's|^certificate=.*|certificate=/etc/xrdp/lab.crt|' -e 's|^key_file=.*|key_file=/etc/xrdp/lab.key|' \
    -e 's/^EnableSyslog=.*/EnableSyslog=false/' -e 's|^LogFile=.*|LogFile=/var/log/xrdp-server.log|' /etc/xrdp/xrdp.ini
  sed -i -e 's/^AllowRootLogin=.*/AllowRootLogin=false/' -e 's/^EnableUserWindowManager=.*/EnableUserWindowManager=false/' \
    -e 's/^EnableSyslog=.*/EnableSyslog=false/' -e 's|^LogFile=.*|LogFile=/var/log/xrdp-sesman-server.log|' \
    -e 's/^SessionSockdirGroup=.*/SessionSockdirGroup=root/' /etc/xrdp/sesman.ini
  say "LANG=C.UTF-8" >>/etc/xrdp/sesman.ini
  ln -sf /etc/lab/session-sound /etc/xrdp/startwm.sh
  mkdir -p /etc/X11
  say "allowed_users=anybody" >/etc/X11/Xwrapper.config
  [[ -s /etc/machine-id ]] || dbus-uuidgen >/etc/machine-id
  mkdir -p /run/xrdp
  mkdir -m 3777 /run/xrdp/sockdir
}

server_run() {
  serve xrdp-sesman xrdp-sesman --nodaemon
  serve xrdp xrdp --nodaemon
}

server_ready() { [[ "$(probe_rdp "$address" "$port" 3)" == "selected 1" ]]; }

# Not in a pool of the usual estate, whose tests would be led here.
server_estate() {
  cat <<TOML

[[pools]]
id = "$pool"
title = "Linux desktops on xrdp 0.10"
account = "{user}"
session_policy = "default"

[[resources]]
id = "$pool"
title = "Linux desktop with sound"
kind = "desktop"
pool = "$pool"
icon = "desktop"
folder = "Administration"
description = "H.264, sound, microphone and drives; follows the size of your window."

[[entitlements]]
id = "$pool"
groups = ["admins"]
users = ["demo"]
resources = ["$pool"]
TOML
}
