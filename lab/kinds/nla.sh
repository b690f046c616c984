# shellcheck shell=bash
# FreeRDP's shadow server on a virtual screen: takes nothing but NLA (CredSSP with NTLM), sends H.264 to clients that
# can (AVC420, AVC444v2), plain bitmaps to others.
# It shares one screen: all who sign in see the same desktop, that of the user demo.

port=3389 protocol=rdp security=nla sessions_max=20
title="an NLA-only RDP host"
source "$lab_src/lib/desktop.sh"
packages=(freerdp2-shadow-x11 winpr-utils xvfb openssl "${desktop_packages[@]}")
units=()

server_keys() { make_tls; }
server_pins() { say "sha256:$(tls_fingerprint)"; }

server_setup() {
  make_desktop
  # The NT hash of the password is all that NTLM needs on this side; root only.
  local entry
  install -m 0600 /dev/null /etc/lab/sam
  for entry in "${lab_users[@]}"; do
    winpr-hash -u "${entry%%:*}" -p "$LAB_PASSWORD" -f sam >>/etc/lab/sam
    printf '\n' >>/etc/lab/sam
  done
  # Here, below XDG_CONFIG_HOME, the shadow server looks for its certificate; in silence it makes one of its own
  # when the name is not exactly this.
  mkdir -p /run/lab/config/freerdp/shadow
  install -m 0600 "$keys/tls.key" /run/lab/config/freerdp/shadow/shadow.key
  install -m 0644 "$keys/tls.crt" /run/lab/config/freerdp/shadow/shadow.crt
}

server_run() {
  local as_demo=(setpriv --reuid demo --regid demo --init-groups env HOME=/home/demo USER=demo LOGNAME=demo DISPLAY=:0)
  # -noreset: otherwise the screen starts over when its last client leaves, and that is the first short-lived
  # program of the session; whoever connects in that moment is refused.
  serve Xvfb "${as_demo[@]}" Xvfb :0 -screen 0 1280x800x24 -nolisten tcp -noreset
  # Ask the display: its socket file is there before anybody listens on it.
  wait_until env DISPLAY=:0 xset q
  # Whoever logs off ends the desktop, not the server.
  serve session "${as_demo[@]}" sh -c 'while :; do /etc/lab/session; sleep 1; done'
  serve shadow env DISPLAY=:0 HOME=/run/lab/config XDG_CONFIG_HOME=/run/lab/config \
    freerdp-shadow-cli "/port:$port" "/bind-address:$address" /sec:nla /sam-file:/etc/lab/sam +auth
}

server_ready() { [[ "$(probe_rdp "$address" "$port" 3)" == "selected 2" ]]; }
