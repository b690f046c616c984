# shellcheck shell=bash
# Servers that have something wrong with them, each on a port of its own, and OpenSSH on several ports for tests that put a
# firewall before them.

source "$lab_src/kinds/debian12.sh"
port=22
title="a server with faults"
listens=(tcp:7 udp:7 tcp:22 tcp:88 udp:88 udp:123 tcp:443 tcp:2201 tcp:2202 tcp:2203 tcp:2204 tcp:8441 tcp:8442 tcp:8443
  tcp:8444 tcp:8446 tcp:9001 tcp:9002 tcp:9003 tcp:9004 tcp:9005 tcp:9006 tcp:9007)
# Seconds that the Kerberos and the NTP server are ahead.
clock_ahead_s=600

server_keys() {
  make_ca
  make_signed tls "$name.$lab_domain" "$name" "$address"
  make_signed other "other.$lab_domain"
  make_signed --from 20200101000000Z --to 20200201000000Z expired "$name.$lab_domain" "$address"
  make_signed --from 20900101000000Z --to 20910101000000Z future "$name.$lab_domain" "$address"
  make_self_signed selfsigned "$name.$lab_domain" "$address"
}

server_setup() {
  services_setup
  kerberos_setup
  mkdir -p /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/lab_host_key
  printf 'Port %s\n' 22 2201 2202 2203 2204 >/etc/ssh/sshd_config
  printf '%s\n' 'HostKey /etc/ssh/lab_host_key' 'UsePAM no' 'MaxStartups 200' 'UseDNS no' >>/etc/ssh/sshd_config
  printf '%s\n' 'echo stream tcp nowait root internal' 'echo dgram udp wait root internal' >/etc/inetd.conf
  printf '%s\n' 'allow all' 'local stratum 8' 'cmdport 0' 'user root' 'driftfile /tmp/chrony.drift' 'pidfile /run/chronyd.pid' >/etc/lab/chrony.conf
  install -m 0755 "$lab_src/files/misbehave" /etc/lab/misbehave
  local entry file
  for file in other expired future selfsigned; do install -m 0600 "$keys/$file.key" "$keys/$file.crt" /etc/lab/; done
  {
    printf '%s\n' 'worker_processes 1;' 'pid /run/nginx.pid;' 'error_log stderr;' 'events {' '  worker_connections 256;' '}' \
      'http {' '  access_log off;'
    for entry in 443:tls 8441:expired 8442:selfsigned 8443:other 8446:future; do
      printf '%s\n' '  server {' "    listen ${entry%:*} ssl;" "    ssl_certificate /etc/lab/${entry#*:}.crt;" \
        "    ssl_certificate_key /etc/lab/${entry#*:}.key;" '    root /var/www/html;' '  }'
    done
    # TLS 1.0 and nothing newer, as a device of long ago has it.
    printf '%s\n' '  server {' '    listen 8444 ssl;' '    ssl_protocols TLSv1;' '    ssl_ciphers DEFAULT@SECLEVEL=0;' \
      '    ssl_certificate /etc/lab/tls.crt;' '    ssl_certificate_key /etc/lab/tls.key;' '  }' '}'
  } >/etc/lab/nginx.conf
}

server_run() {
  serve sshd /usr/sbin/sshd -D -e
  serve inetd inetd -i -R 100000
  serve nginx nginx -c /etc/lab/nginx.conf -g 'daemon off;'
  serve krb5kdc faketime -f "+${clock_ahead_s}s" krb5kdc -n
  serve chronyd faketime -f "+${clock_ahead_s}s" chronyd -d -x -4 -f /etc/lab/chrony.conf
  serve misbehave /etc/lab/misbehave 9001
}
