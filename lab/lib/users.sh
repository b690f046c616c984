# shellcheck shell=bash
# Runs inside a box, on the overlay of /etc.

make_users() {
  local entry user uid hash crowd=() number
  for ((number = 1; number <= LAB_CROWD; number++)); do
    crowd+=("$(printf 'crowd%02d:%d' "$number" "$((crowd_uid + number - 1))")")
  done
  # Nobody gets more rights in here than the lab gives: the rules of the machine are for its people.
  rm -rf /etc/sudoers /etc/sudoers.d /etc/doas.conf
  hash="$(openssl passwd -6 -stdin <<<"$LAB_PASSWORD")"
  for entry in "${lab_users[@]}" "${crowd[@]}"; do
    user="${entry%%:*}" uid="${entry#*:}"
    # By name, not by number, a real user of the machine could be in the way: the overlay's line replaces it.
    sed -i "/^$user:/d" /etc/passwd /etc/shadow /etc/group
    # That one's memberships, such as in sudo, must not be the demo user's.
    awk -F: -v OFS=: -v gone="$user" '{ n = split($4, all, ","); $4 = ""
      for (i = 1; i <= n; i++) if (all[i] != gone) $4 = $4 ($4 == "" ? "" : ",") all[i]
      print }' /etc/group >/run/lab/group && cat /run/lab/group >/etc/group
    say "$user:x:$uid:$uid:${user^}:/home/$user:/bin/bash" >>/etc/passwd
    say "$user:x:$uid:" >>/etc/group
    say "$user:$hash:19000:0:99999:7:::" >>/etc/shadow
    make_home "$user" "$uid"
  done
  {
    say "127.0.0.1 localhost"
    say "127.0.1.1 $name"
    local file other number
    for file in "$lab_src"/servers/*.sh; do
      other="$(basename "$file" .sh)"
      number="$(sed -n 's/^host=\([0-9]*\).*/\1/p' "$file")"
      [[ -z $number ]] || say "$LAB_NET.$number $other"
    done
  } >/etc/hosts
  say "$name" >/etc/hostname
  say "LANG=C.UTF-8" >/etc/default/locale
  printf 'This is %s, %s of the Portico lab.\n' "$name" "${title:-a server}" >/etc/motd
}

make_home() {
  local home="/home/$1"
  if [[ ! -d $home ]]; then
    mkdir "$home"
    cp -rT /etc/skel "$home"
    cat >>"$home/.bashrc" <<'RC'
PS1='\[\e[36m\]\u@\h\[\e[0m\]:\[\e[33m\]\w\[\e[0m\]\$ '
RC
    chown -R "$2:$2" "$home"
    chmod 0700 "$home"
  fi
}

# Password and nothing else: the machine's common-auth may ask winbind, fingerprints or a smart card.
make_pam() {
  cat >"/etc/pam.d/$1" <<'PAM'
auth     required pam_unix.so
account  required pam_unix.so
session  required pam_unix.so
session  optional pam_env.so envfile=/etc/default/locale
session  optional pam_limits.so
PAM
}
