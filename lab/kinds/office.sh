# shellcheck shell=bash
# Mail, news, files, printing, log-on of old, screens and the small services.

source "$lab_src/kinds/debian12.sh"
port=25
title="a server of mail, news, files and printers"
listens=(tcp:7 udp:7 tcp:13 udp:13 tcp:17 tcp:19 udp:19 tcp:21 tcp:22 tcp:23 tcp:25 udp:69 tcp:80 tcp:110 tcp:119 tcp:143
  tcp:443 tcp:465 tcp:512 tcp:513 tcp:514 tcp:515 tcp:563 tcp:587 tcp:631 tcp:993 tcp:995 tcp:5900 tcp:6000)

server_setup() {
  services_setup
  office_ssh
  office_mail
  office_news
  office_files
  office_inetd
  office_screen
}

office_ssh() {
  mkdir -p /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/lab_host_key
  printf '%s\n' 'Port 22' 'HostKey /etc/ssh/lab_host_key' 'UsePAM no' 'MaxStartups 200' 'UseDNS no' >/etc/ssh/sshd_config
}

office_mail() {
  [[ -e /etc/postfix/main.cf ]] || cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
  postconf -e "myhostname=$name.$lab_domain" inet_interfaces=all inet_protocols=ipv4 "mydestination=$name, localhost" \
    smtpd_tls_cert_file=/etc/lab/tls.crt smtpd_tls_key_file=/etc/lab/tls.key smtpd_tls_security_level=may \
    maillog_file=/var/log/postfix.log alias_maps= alias_database= relayhost=
  postconf -F '*/*/chroot=n'
  postconf -M 'submission/inet=submission inet n - n - - smtpd'
  postconf -M 'smtps/inet=smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes'
  postconf -M 'postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd'
  cat >/etc/dovecot/dovecot.conf <<'CONF'
protocols = imap pop3
listen = *
ssl = yes
ssl_cert = </etc/lab/tls.crt
ssl_key = </etc/lab/tls.key
log_path = /dev/stderr
mail_location = maildir:~/Maildir
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
CONF
}

office_news() {
  sed -i -e 's|^#*\(tlscertfile\):.*|\1: /etc/lab/tls.crt|' -e 's|^#*\(tlskeyfile\):.*|\1: /etc/news/tls.key|' \
    -e "s|^#*\(fromhost\|domain\):.*|\1: $lab_domain|" /etc/news/inn.conf
  install -m 0600 -o news -g news /etc/lab/tls.key /etc/news/tls.key
  printf '%s\n' 'auth "all" {' '  hosts: "*"' '  default: "<user>"' '}' \
    'access "all" {' '  users: "*"' '  newsgroups: "*"' '  access: RP' '}' >/etc/news/readers.conf
  mkdir -p /run/news /var/log/news
  chown news:news /run/news /var/log/news
  # Readers are served by nnrpd alone: without articles there is nothing for innd to do but to make these.
  setpriv --reuid news --regid news --init-groups /usr/lib/news/bin/makehistory -F -O -x >"$log/makehistory.log" 2>&1 || true
}

office_files() {
  mkdir -p /srv/tftp /run/vsftpd/empty
  cat >/etc/vsftpd.conf <<'CONF'
listen=YES
background=NO
anonymous_enable=NO
local_enable=YES
ssl_enable=YES
rsa_cert_file=/etc/lab/tls.crt
rsa_private_key_file=/etc/lab/tls.key
secure_chroot_dir=/run/vsftpd/empty
CONF
  cat >/etc/cups/cupsd.conf <<'CONF'
Listen *:631
ServerAlias *
Browsing Off
<Location />
  Order allow,deny
  Allow all
</Location>
CONF
  install -d -o daemon -g lp /run/lprng
  printf '%s\n' 'lp:' ' :sd=/var/spool/lpd/lp' ' :lp=/dev/null' ' :sh' >/etc/printcap
  printf '%s\n' 'lpd_listen_port=515' 'unix_socket_path=' >/etc/lprng/lpd.conf
  say 'DEFAULT ACCEPT' >/etc/lprng/lpd.perms
  checkpc -f >"$log/checkpc.log" 2>&1 || true
  cat >/etc/lab/nginx.conf <<'CONF'
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr;
events {
  worker_connections 256;
}
http {
  access_log off;
  server {
    listen 80;
    listen 443 ssl;
    ssl_certificate /etc/lab/tls.crt;
    ssl_certificate_key /etc/lab/tls.key;
    root /var/www/html;
  }
}
CONF
}

office_inetd() {
  # `-R`, below: a check of many wrong ports is more than the 256 calls a minute that inetd allows.
  cat >/etc/inetd.conf <<'CONF'
echo     stream tcp nowait root   internal
echo     dgram  udp wait   root   internal
daytime  stream tcp nowait root   internal
daytime  dgram  udp wait   root   internal
chargen  stream tcp nowait root   internal
chargen  dgram  udp wait   root   internal
qotd     stream tcp nowait nobody /bin/echo echo Whoever asks a question is a fool for a minute.
telnet   stream tcp nowait root   /usr/sbin/telnetd telnetd
shell    stream tcp nowait root   /usr/sbin/in.rshd in.rshd
login    stream tcp nowait root   /usr/sbin/in.rlogind in.rlogind
exec     stream tcp nowait root   /usr/sbin/in.rexecd in.rexecd
CONF
}

office_screen() {
  printf '%s\n' "${LAB_PASSWORD:0:8}" | tigervncpasswd -f >/etc/lab/vnc
  xauth -f /etc/lab/xauth add :0 . "$(openssl rand -hex 16)"
}

server_run() {
  serve sshd /usr/sbin/sshd -D -e
  serve postfix postfix start-fg
  serve dovecot dovecot -F
  serve nnrpd /usr/lib/news/bin/nnrpd -D -f -p 119 -4 0.0.0.0
  serve nnrpd-tls /usr/lib/news/bin/nnrpd -S -D -f -p 563 -4 0.0.0.0
  serve vsftpd vsftpd /etc/vsftpd.conf
  serve tftpd in.tftpd --foreground --listen --ipv4 --address :69 --secure /srv/tftp
  serve nginx nginx -c /etc/lab/nginx.conf -g 'daemon off;'
  serve cupsd cupsd -f
  serve lpd lpd -F
  serve inetd inetd -i -R 100000
  serve Xvnc Xtigervnc :0 -rfbport 5900 -SecurityTypes VncAuth -PasswordFile /etc/lab/vnc -listen tcp -auth /etc/lab/xauth \
    -geometry 640x480 -localhost=0
}
