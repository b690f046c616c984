# shellcheck shell=bash
# A domain controller of Active Directory: Samba with its own DNS, LDAP, Kerberos, SMB, NetBIOS and RPC.

source "$lab_src/kinds/debian12.sh"
port=389
title="a domain controller"
listens=(tcp:53 udp:53 tcp:88 udp:88 tcp:135 udp:137 tcp:139 tcp:389 udp:389 tcp:445 tcp:464 udp:464 tcp:636 tcp:3268 tcp:3269
  tcp:49152)

# The domain is made once: its first start is the long one.
server_setup() {
  services_setup
  local realm="${lab_domain^^}"
  if [[ ! -e $dir/samba/made ]]; then
    rm -rf "$dir/samba"
    : >/tmp/smb.conf
    samba-tool domain provision --configfile=/tmp/smb.conf --targetdir="$dir/samba" --server-role=dc --use-rfc2307 \
      --dns-backend=SAMBA_INTERNAL --realm="AD.$realm" --domain=LABAD --host-name="$name" --host-ip="$address" \
      --adminpass="$LAB_PASSWORD-0A" >"$log/provision.log" 2>&1 || die "$name: no domain: $(tail -n 1 "$log/provision.log")"
    touch "$dir/samba/made"
  fi
  sed "/^\[global\]/a\\
	interfaces = $address/24 lo\\
	bind interfaces only = yes\\
	wins support = yes\\
	tls enabled = yes\\
	tls keyfile = /etc/lab/tls.key\\
	tls certfile = /etc/lab/tls.crt\\
	tls cafile =\\
	log file = /var/log/samba/%m.log" "$dir/samba/etc/smb.conf" >/etc/lab/smb.conf
  mkdir -p /var/log/samba /run/samba
}

server_run() { serve samba samba -F --no-process-group -M prefork -s /etc/lab/smb.conf; }
