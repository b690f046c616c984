# shellcheck shell=bash
# GNOME's remote desktop server on a headless mutter: NLA, RemoteFX progressive, resize, sound.
# It knows one user and one desktop: demo signs in, and all clients see the same windows.

port=3389 protocol=rdp security=nla sessions_max=20
title="a GNOME remote desktop"
packages=(gnome-remote-desktop mutter xwayland xclip pipewire pipewire-pulse wireplumber pulseaudio-utils dbus weston fonts-dejavu-core
  openssl procps)
units=()

server_keys() { make_tls; }
server_pins() { say "sha256:$(tls_fingerprint)"; }

server_setup() {
  mkdir -p /etc/lab
  install -m 0755 "$lab_src/files/grd-session" "$lab_src/files/ticker" "$lab_src/files/tone" "$lab_src/files/terminal" /etc/lab/
  # No sound card, camera or headset of the machine: they are not the lab's. Its watch for Bluetooth asks logind,
  # which is not in here, and takes the whole of WirePlumber down with it.
  mkdir -p /etc/wireplumber/{main,bluetooth}.lua.d
  printf '%s_monitor.enabled = false\n' alsa v4l2 libcamera >/etc/wireplumber/main.lua.d/60-lab.lua
  say "bluez_monitor.enabled = false" >/etc/wireplumber/bluetooth.lua.d/60-lab.lua
  # Read by the server, which runs as demo. Below /run, so that nothing of an earlier start is found.
  install -d -m 0700 -o demo -g demo /run/lab/grd /run/user/2001
  install -m 0600 -o demo -g demo "$keys/tls.key" "$keys/tls.crt" /run/lab/grd/
}

server_run() {
  serve session setpriv --reuid demo --regid demo --init-groups env HOME=/home/demo USER=demo LOGNAME=demo SHELL=/bin/bash \
    XDG_RUNTIME_DIR=/run/user/2001 XDG_CONFIG_HOME=/run/lab/grd/config XDG_DATA_HOME=/run/lab/grd/data \
    dbus-run-session -- /etc/lab/grd-session "$port" "$LAB_PASSWORD"
}

server_ready() { [[ "$(probe_rdp "$address" "$port" 3)" == "selected 2" ]]; }
