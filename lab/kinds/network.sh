# shellcheck shell=bash
# Names, directories, time, tunnels and databases.

source "$lab_src/kinds/debian12.sh"
port=53
title="a server of names, time, tunnels and databases"
listens=(tcp:53 udp:53 udp:67 tcp:88 udp:88 udp:123 udp:161 tcp:389 tcp:464 udp:464 udp:500 tcp:554 tcp:636 udp:1701 tcp:1723
  udp:1812 udp:1813 udp:1900 tcp:2379 tcp:3306 udp:3391 udp:4500 tcp:5432 tcp:8086 tcp:14000 tcp:14443)

server_setup() {
  services_setup
  network_names
  network_directory
  network_management
  network_tunnels
  network_databases
  install -m 0755 "$lab_src/files/rtsp-server" /etc/lab/rtsp-server
}

network_names() {
  install -d -o bind -g bind /run/named
  cat >/etc/bind/lab.conf <<CONF
options {
  directory "/var/cache/bind";
  listen-on { any; };
  listen-on-v6 { none; };
  allow-query { any; };
  recursion no;
  dnssec-validation no;
  max-records-per-type 300;
};
zone "$lab_domain" { type master; file "/etc/bind/lab.zone"; };
CONF
  {
    printf '%s\n' '$TTL 60' "@ IN SOA ns.$lab_domain. root.$lab_domain. 1 60 60 60 60" "@ IN NS ns.$lab_domain." "ns IN A $address"
    local file other number
    for file in "$lab_src"/servers/*.sh; do
      other="$(basename "$file" .sh)" number="$(sed -n 's/^host=\([0-9]*\).*/\1/p' "$file")"
      say "$other IN A $LAB_NET.$number"
    done
    # For the tests: a name that leads to another host, one to an address of nobody, one of 200 addresses of which the
    # first few are nobody's, and one whose IPv6 address leads nowhere.
    say "elsewhere IN A $address"
    say "nobody IN A $LAB_NET.250"
    for number in {1..199}; do say "many IN A 127.91.0.$number"; done
    say "many IN A $address"
    say "broken6 IN AAAA fd00:91::1"
    say "broken6 IN A $LAB_NET.$(sed -n 's/^host=//p' "$lab_src/servers/svc2.sh")"
  } >/etc/bind/lab.zone
  cat >/etc/lab/dnsmasq.conf <<CONF
port=0
interface=eth0
bind-interfaces
dhcp-authoritative
dhcp-range=$LAB_NET.200,$LAB_NET.220,1h
dhcp-leasefile=/tmp/dhcp.leases
log-facility=-
user=root
CONF
  printf '%s\n' 'allow all' 'local stratum 8' 'cmdport 0' 'user root' 'driftfile /tmp/chrony.drift' 'pidfile /run/chronyd.pid' >/etc/lab/chrony.conf
}

network_directory() {
  mkdir -p /var/lib/ldap-lab
  cat >/etc/ldap/slapd.conf <<CONF
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile /run/slapd.pid
TLSCertificateFile /etc/lab/tls.crt
TLSCertificateKeyFile /etc/lab/tls.key
database mdb
suffix "dc=portico,dc=test"
directory /var/lib/ldap-lab
maxsize 10485760
CONF
  kerberos_setup
  cat >/etc/lab/radiusd.conf <<CONF
prefix = /usr
libdir = /usr/lib/freeradius
logdir = /var/log
security {
  status_server = yes
}
client lab {
  ipaddr = $LAB_NET.0/24
  secret = $LAB_PASSWORD
}
modules {
  pap {
  }
  always ok {
    rcode = ok
  }
}
server lab {
  listen {
    type = auth
    ipaddr = *
    port = 1812
  }
  listen {
    type = acct
    ipaddr = *
    port = 1813
  }
  authorize {
    if (&User-Name == "demo") {
      update control {
        &Cleartext-Password := "$LAB_PASSWORD"
      }
    }
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
  }
  accounting {
    ok
  }
}
CONF
  mkdir -p /etc/lab/raddb
  mv /etc/lab/radiusd.conf /etc/lab/raddb/
}

network_management() {
  cat >/etc/lab/snmpd.conf <<CONF
agentaddress udp:161
rocommunity public
createUser demo SHA $LAB_PASSWORD AES $LAB_PASSWORD
rouser demo authpriv
sysLocation the lab
CONF
  # It announces itself as a router of the Internet, which has a side without and one within.
  # It wants an address there that is not reserved; nobody outside of this namespace sees it. The namespace outlives the box.
  ip link show wan >/dev/null 2>&1 || ip link add wan type veth peer name wan-end
  ip addr replace 11.0.0.2/24 dev wan
  ip link set wan up
  ip link set wan-end up
  cat >/etc/lab/miniupnpd.conf <<CONF
ext_ifname=wan
ext_ip=11.0.0.2
listening_ip=eth0
http_port=5000
enable_natpmp=no
enable_upnp=yes
secure_mode=yes
system_uptime=yes
uuid=00000000-0000-0000-0000-000000000091
allow 1024-65535 $LAB_NET.0/24 1024-65535
CONF
}

network_tunnels() {
  printf '%s\n' 'config setup' 'conn lab' '  keyexchange=ikev2' '  authby=secret' "  left=$address" '  right=%any' '  auto=add' >/etc/ipsec.conf
  printf '%s\n' ": PSK \"$LAB_PASSWORD\"" >/etc/ipsec.secrets
  printf '%s\n' '[global]' 'port = 1701' 'force userspace = yes' '[lns default]' 'ip range = 192.0.2.10-192.0.2.20' 'local ip = 192.0.2.1' \
    'pppoptfile = /etc/ppp/options' >/etc/lab/xl2tpd.conf
  mkdir -p /run/xl2tpd
  printf '%s\n' 'option /etc/ppp/options' 'localip 192.0.2.1' 'remoteip 192.0.2.30-40' >/etc/lab/pptpd.conf
}

network_databases() {
  mkdir -p /run/mysqld /run/postgresql /tmp/mariadb
  chown postgres:postgres /run/postgresql
  cat >/etc/lab/pebble.json <<CONF
{ "pebble": { "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
  "certificate": "/etc/lab/tls.crt", "privateKey": "/etc/lab/tls.key", "httpPort": 80, "tlsPort": 443 } }
CONF
  # Pebble has its directory at /dir; the authorities of the world have it at /directory, as Let's Encrypt does.
  cat >/etc/lab/nginx.conf <<'CONF'
worker_processes 1;
pid /run/nginx.pid;
error_log stderr;
events {
  worker_connections 256;
}
http {
  access_log off;
  server {
    listen 14443 ssl;
    ssl_certificate /etc/lab/tls.crt;
    ssl_certificate_key /etc/lab/tls.key;
    location = /directory {
      proxy_pass https://127.0.0.1:14000/dir;
      proxy_set_header Host $http_host;
    }
  }
}
CONF
}

server_run() {
  serve named named -g -4 -u bind -c /etc/bind/lab.conf
  serve slapd slapd -d 0 -4 -h 'ldap:/// ldaps:///' -f /etc/ldap/slapd.conf
  serve krb5kdc krb5kdc -n
  serve kadmind kadmind -nofork
  serve dnsmasq dnsmasq --keep-in-foreground --conf-file=/etc/lab/dnsmasq.conf
  serve freeradius freeradius -f -l stdout -d /etc/lab/raddb -n radiusd
  serve chronyd chronyd -d -x -4 -f /etc/lab/chrony.conf
  serve snmpd snmpd -f -Lo -C -c /etc/lab/snmpd.conf
  serve miniupnpd miniupnpd -d -f /etc/lab/miniupnpd.conf
  serve ipsec ipsec start --nofork
  serve xl2tpd xl2tpd -D -c /etc/lab/xl2tpd.conf -p /run/xl2tpd.pid
  serve pptpd pptpd --fg --conf /etc/lab/pptpd.conf
  # Nobody signs in here, so that it needs no tables of who may.
  serve mariadbd mariadbd --no-defaults --user=root --skip-grant-tables --datadir=/tmp/mariadb --bind-address=0.0.0.0 --socket=/run/mysqld/lab.sock
  serve postgres setpriv --reuid postgres --regid postgres --init-groups /usr/lib/postgresql/15/bin/postgres \
    -D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/main/postgresql.conf -c listen_addresses='*' -c fsync=off
  serve etcd etcd --data-dir /tmp/etcd --listen-client-urls "http://0.0.0.0:2379" --advertise-client-urls "http://$address:2379"
  serve influxd influxd -config ''
  serve pebble pebble -config /etc/lab/pebble.json
  serve nginx nginx -c /etc/lab/nginx.conf -g 'daemon off;'
  serve rtsp /etc/lab/rtsp-server 554
  # It ends with its standard input.
  serve dtls bash -c 'exec openssl s_server -dtls -accept 3391 -cert /etc/lab/tls.crt -key /etc/lab/tls.key -quiet < <(exec sleep infinity)'
}
