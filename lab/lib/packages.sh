# shellcheck shell=bash
# Install what is missing, and only that.

missing_packages() { # of the packages in $@
  comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *|//p' | sort -u)
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null ||
    die "these packages are missing and there is no apt-get to install them: ${missing[*]}"
  say "Installing ${#missing[@]} packages and what they need: ${missing[*]}"
  local log="$LAB_DIR/apt.log"
  # Packages start their servers on the machine itself as soon as they are installed; the lab wants only the files.
  local policy=/usr/sbin/policy-rc.d made_policy=""
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
    made_policy=yes
    # shellcheck disable=SC2064 # the path is wanted as it is now
    trap "rm -f '$policy'" EXIT
  fi
  local tries done=""
  for tries in 1 2; do
    # Lists that are absent or too old are the usual reason for a first failure.
    if ((tries == 2)) || ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then
      say "  fetching package lists"
      run_apt "$log" update || true
    fi
    if run_apt "$log" install --no-install-recommends "${missing[@]}"; then done=yes; break; fi
    dpkg --configure -a >>"$log" 2>&1 || true # what an interrupted run left half done
  done
  if [[ -n $made_policy ]]; then rm -f "$policy"; trap - EXIT; fi
  if [[ -z $done ]]; then
    tail -n 15 "$log" >&2
    die "apt-get could not install the packages; its log is $log"
  fi
}

run_apt() {
  local log="$1"
  shift
  DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none \
    apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    "$@" 2>&1 </dev/null 9>&- | tee -a "$log" |
    awk '/^Need to get/ || /^Fetched/ { print "  " $0; fflush() }
         /^Setting up/ { n++; if (n % 10 == 0) { printf "  set up %d packages\n", n; fflush() } }
         /^(E|W):/ { print "  " $0; fflush() }'
}

# On a machine with systemd a new package would start at the next boot: no part of what was asked for.
disable_units() {
  command -v systemctl >/dev/null && [[ -d /run/systemd/system ]] && (($#)) || return 0
  systemctl disable --quiet "$@" 2>/dev/null || true
}
