# shellcheck shell=bash
# What the servers of the port check have in common: a Debian 12 of their own, as installing a domain controller, a mail
# server and IPsec on the machine itself would change it. One root file system for all of them, so that there is one.
#
# A kind sets `listens`, the ports that must listen before the server is ready; what is spoken there is the probes' to show.

optional=yes
rootfs=bookworm rootfs_expects="slapd 2.5"
# What nobody reads in there is a fifth of the files.
rootfs_options=(--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
  --dpkgopt='path-exclude=/usr/share/locale/*')
protocol=services
# The first start of a server makes its databases.
wait_s=120
packages=(
  netbase procps iproute2 openssl ca-certificates python3-minimal faketime
  # svc1
  samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules
  # svc2
  openssh-server postfix dovecot-imapd dovecot-pop3d inn2 vsftpd tftpd-hpa nginx-light
  openbsd-inetd inetutils-telnetd rsh-server cups-daemon lprng tigervnc-standalone-server tigervnc-tools xauth
  # svc3
  bind9 slapd krb5-kdc krb5-admin-server dnsmasq-base freeradius chrony snmpd miniupnpd-nftables
  strongswan-starter strongswan-charon xl2tpd pptpd
  mariadb-server-core postgresql-15 etcd-server influxdb pebble
  python3-gi gir1.2-gst-rtsp-server-1.0
)

# Certificates of the lab's own authority, whose certificate is in LAB_DIR/ca: what is wrong with one is then meant.
server_keys() { make_ca && make_signed tls "$name.$lab_domain" "$name" "$address"; }
server_pins() { say "sha256:$(tls_fingerprint)"; }

# Every server: names from /etc/hosts alone, or daemons wait for a resolver that is not there.
services_setup() {
  sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
  # INN does not start on a host without a domain.
  sed -i "s/^127.0.1.1 .*/127.0.1.1 $name.$lab_domain $name/" /etc/hosts
  say "$LAB_NET.1 portico" >>/etc/hosts
  mkdir -p /etc/lab
  install -m 0644 "$keys/tls.crt" /etc/lab/tls.crt
  install -m 0600 "$keys/tls.key" /etc/lab/tls.key
  # For daemons that read it when they are root no more.
  install -m 0644 "$keys/tls.key" /etc/lab/tls-readable.key
}

# A realm of MIT Kerberos, made anew at each start: half a second.
kerberos_setup() {
  local realm="${lab_domain^^}"
  cat >/etc/krb5.conf <<CONF
[libdefaults]
  default_realm = $realm
[realms]
  $realm = {
    kdc = $address
    admin_server = $address
  }
CONF
  mkdir -p /etc/krb5kdc /var/lib/krb5kdc
  cat >/etc/krb5kdc/kdc.conf <<CONF
[kdcdefaults]
  kdc_ports = 88
  kdc_tcp_ports = 88
[realms]
  $realm = {
    database_name = /var/lib/krb5kdc/principal
    key_stash_file = /etc/krb5kdc/stash
    acl_file = /etc/krb5kdc/kadm5.acl
  }
CONF
  : >/etc/krb5kdc/kadm5.acl
  kdb5_util create -s -r "$realm" -P "$LAB_PASSWORD" >"$log/kdb5.log" 2>&1 || die "$name: no realm: $(tail -n 1 "$log/kdb5.log")"
}

server_ready() {
  local port listening
  listening="$(nsenter --net="/run/netns/$netns" ss -Hltun | awk '{ n = split($5, part, ":"); print $1 ":" part[n] }' | sort -u)"
  for port in "${listens[@]}"; do grep -qx "$port" <<<"$listening" || return 1; done
}
