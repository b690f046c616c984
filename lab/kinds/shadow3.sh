# shellcheck shell=bash
# FreeRDP 3's shadow server of Debian 13, with NLA as in kind nla: one screen, on several ports, each of which can send one
# EGFX codec only. Port 3300 + N sends codec N (MS-RDPEGFX 2.2.2.1 and 2.2.2.5: 0 uncompressed, 3 RemoteFX, 9 RemoteFX
# progressive, 10 planar, 11 AVC420, 15 AVC444v2); on 3389 the client chooses.

source "$lab_src/kinds/xrdp010.sh" # the same root, so that there is one
unset -f server_estate
port=3389 protocol=rdp security=nla sessions_max=20
title="an RDP host that forces codecs"
# What is switched off to leave the codec alone. No bitmap codec can be: uncompressed is what is left without any.
shadow_codecs=(
  "0 uncompressed -gfx-progressive -gfx-rfx -gfx-planar -gfx-avc420 -gfx-avc444"
  "3 remotefx -gfx-progressive -gfx-planar -gfx-avc420 -gfx-avc444"
  "9 progressive -gfx-rfx -gfx-planar -gfx-avc420 -gfx-avc444"
  "10 planar -gfx-progressive -gfx-rfx -gfx-avc420 -gfx-avc444"
  "11 avc420 -gfx-progressive -gfx-rfx -gfx-planar -gfx-avc444"
  "15 avc444 -gfx-progressive -gfx-rfx -gfx-planar -gfx-avc420"
)

server_setup() {
  make_desktop
  local entry
  install -m 0600 /dev/null /etc/lab/sam
  for entry in "${lab_users[@]}"; do
    winpr-hash3 -u "${entry%%:*}" -p "$LAB_PASSWORD" -f sam >>/etc/lab/sam
    printf '\n' >>/etc/lab/sam
  done
  mkdir -p /run/lab/config/freerdp/shadow
  install -m 0600 "$keys/tls.key" /run/lab/config/freerdp/shadow/shadow.key
  install -m 0644 "$keys/tls.crt" /run/lab/config/freerdp/shadow/shadow.crt
}

server_run() {
  local as_demo=(setpriv --reuid demo --regid demo --init-groups env HOME=/home/demo USER=demo LOGNAME=demo DISPLAY=:0) codec words listens
  serve Xvfb "${as_demo[@]}" Xvfb :0 -screen 0 1280x800x24 -nolisten tcp -noreset
  wait_until env DISPLAY=:0 xset q
  serve session "${as_demo[@]}" sh -c 'while :; do /etc/lab/session; sleep 1; done'
  for codec in "any any" "${shadow_codecs[@]}"; do
    read -ra words <<<"$codec"
    if [[ ${words[0]} == any ]]; then listens="$port"; else listens="$((3300 + words[0]))"; fi
    serve "shadow-${words[1]}" env DISPLAY=:0 HOME=/run/lab/config XDG_CONFIG_HOME=/run/lab/config \
      freerdp-shadow-cli3 "/port:$listens" "/bind-address:$address" /sec:nla /sam-file:/etc/lab/sam +auth "${words[@]:2}"
  done
}

server_ready() {
  local codec number
  [[ "$(probe_rdp "$address" "$port" 3)" == "selected 2" ]] || return 1
  for codec in "${shadow_codecs[@]}"; do
    number="${codec%% *}"
    [[ "$(probe_rdp "$address" "$((3300 + number))" 3)" == "selected 2" ]] || return 1
  done
}

server_estate() { # PINS: a host, a pool and a resource for each codec
  local codec words
  for codec in "${shadow_codecs[@]}"; do
    read -ra words <<<"$codec"
    cat <<TOML

[[pools]]
id = "codec-${words[1]}"
title = "Codec ${words[0]}"
account = "{user}"

[[hosts]]
id = "$name-${words[1]}"
pool = "codec-${words[1]}"
address = "$address"
protocol = "rdp"
port = $((3300 + ${words[0]}))
agent = "none"
sessions_max = $sessions_max
pins = [$1]
security = "nla"

[[resources]]
id = "codec-${words[1]}"
title = "Desktop in ${words[1]}"
kind = "desktop"
pool = "codec-${words[1]}"
icon = "desktop"
folder = "Codecs"
description = "The picture comes in EGFX codec ${words[0]} and no other."

[[entitlements]]
id = "codec-${words[1]}"
groups = ["admins"]
users = ["demo"]
resources = ["codec-${words[1]}"]
TOML
  done
}
