# shellcheck shell=bash
# One bridge in the root namespace, one namespace and one veth pair per server.

# The bridge carries an alias that says which state folder it belongs to, so that we never touch another's.
bridge_alias() { printf 'portico lab %s' "$LAB_DIR"; }
bridge_owner() { ip -d link show dev "$bridge" 2>/dev/null | sed -n 's/^ *alias //p'; }
bridge_exists() { ip link show dev "$bridge" >/dev/null 2>&1; }

# One folder is one lab: `down` under another name would stop the processes and miss the interfaces.
check_settings() {
  local was_name was_net
  { read -r was_name was_net <"$LAB_DIR/settings"; } 2>/dev/null || return 0
  [[ "$was_name $was_net" == "$LAB_NAME $LAB_NET" ]] ||
    die "$LAB_DIR holds the lab LAB_NAME=$was_name LAB_NET=$was_net: use these settings, or another LAB_DIR"
}

check_network() {
  if bridge_exists; then
    local owner
    owner="$(bridge_owner)"
    [[ $owner == "$(bridge_alias)" ]] ||
      die "the interface $bridge exists and is not this lab's (${owner:-no note of its owner}): choose another name, e.g. LAB_NAME=${LAB_NAME:0:8}2 LAB_NET=10.93.0 LAB_DIR=…"
    ip -o -4 addr show dev "$bridge" | grep -qF " $LAB_NET.1/24 " ||
      die "this lab is up with another LAB_NET: run 'lab down' with that first ($(ip -o -4 addr show dev "$bridge" | awk '{print $4}'))"
  fi
  local taken
  taken="$(ip -o -4 addr show | awk -v net="$LAB_NET." -v own="$bridge" '$2 != own && index($4, net) == 1 { print $2 " has " $4; exit }')"
  [[ -n $taken ]] || taken="$(ip -4 route show | awk -v net="$LAB_NET." -v own="$bridge" 'index($1, net) == 1 && $0 !~ " dev " own "( |$)" { print "route " $0; exit }')"
  [[ -z $taken ]] ||
    die "the subnet $LAB_NET.0/24 is taken ($taken): choose another with e.g. LAB_NET=10.93.0 lab up"
}

bridge_up() {
  say "$LAB_NAME $LAB_NET" >"$LAB_DIR/settings"
  bridge_exists && return
  ip link add "$bridge" type bridge
  ip link set dev "$bridge" alias "$(bridge_alias)"
  # Without this the kernel makes an IPv6 address and repeats it to all who listen; the lab is IPv4 only.
  sysctl -qw "net.ipv6.conf.$bridge.disable_ipv6=1" 2>/dev/null || true
  ip addr add "$LAB_NET.1/24" dev "$bridge"
  ip link set dev "$bridge" up
}

# `ip netns add` turns /run/netns into a mount point and leaves that behind; remember that it was us.
netns_mark=/run/netns.made-by-portico-lab
netns_folder_up() {
  mountpoint -q /run/netns && return
  touch "$netns_mark"
}
netns_folder_down() {
  [[ -e $netns_mark ]] && [[ -z "$(ls -A /run/netns 2>/dev/null)" ]] || return 0
  ! mountpoint -q /run/netns || umount /run/netns || return 0
  rmdir /run/netns 2>/dev/null || true
  rm -f "$netns_mark"
}

server_network_up() {
  [[ -e /run/netns/$netns ]] || ip netns add "$netns"
  if ! ip -n "$netns" -o -4 addr show dev eth0 2>/dev/null | grep -qF " $address/24 " ||
    ! ip link show dev "$veth" >/dev/null 2>&1; then
    ip link del dev "$veth" 2>/dev/null || true
    ip link add "$veth" type veth peer name eth0 netns "$netns"
    ip link set dev "$veth" master "$bridge"
    ip netns exec "$netns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null || true
    ip -n "$netns" link set dev lo up
    ip -n "$netns" addr add "$address/24" dev eth0
    ip -n "$netns" link set dev eth0 up
    # A way back for clients that bind another address; nothing is routed out of the lab.
    ip -n "$netns" route add default via "$LAB_NET.1"
  fi
  ip link set dev "$veth" up
}

server_network_down() {
  ip link del dev "$veth" 2>/dev/null || true
  if [[ -e /run/netns/$netns ]]; then ip netns del "$netns"; fi
}

# By name and not by server file: what belongs to a server whose file is gone by now goes too.
network_down() {
  local left
  [[ -e $LAB_DIR/settings ]] || return 0 # this folder has started nothing
  ! bridge_exists || [[ "$(bridge_owner)" == "$(bridge_alias)" ]] || return 0
  while read -r left; do ip link del dev "$left" 2>/dev/null || true; done \
    < <(ip -o link show type veth | sed -n "s/^[0-9]*: \\(${LAB_NAME}v[0-9][0-9]*\\)[@:].*/\\1/p")
  for left in /run/netns/"$LAB_NAME"-*; do
    [[ ! -e $left ]] || ip netns del "${left##*/}" || true
  done
  ! bridge_exists || ip link del dev "$bridge"
  netns_folder_down
  rm -f "$LAB_DIR/settings"
}
