# shellcheck shell=bash
# A newer Debian for servers that this one does not have: made once, then only read, as the lower layer of an overlay.
#
# A kind that wants one sets `rootfs` to a suite, `packages` to what shall be in it, `rootfs_expects` to package and
# least version, and says `optional=yes`: making it takes minutes and most of a gigabyte.

rootfs_folder() { # of the loaded server: another recipe is another folder
  local recipe
  recipe="$(printf '%s\n' "$rootfs" "$rootfs_expects" "${packages[@]}" "${rootfs_options[@]}" | sha256sum | cut -c1-10)"
  say "$LAB_CACHE/$rootfs-${rootfs_expects/ /-}-$recipe"
}

# mmdebstrap and what it makes are for one lab at a time; a folder that is there is whole.
rootfs_up() {
  local folder
  folder="$(rootfs_folder)"
  [[ ! -d $folder ]] || return 0
  mkdir -p "$LAB_CACHE"
  (
    exec 8>"$LAB_CACHE/lock"
    flock 8
    [[ ! -d $folder ]] || exit 0
    make_rootfs "$folder"
  )
}

make_rootfs() { # FOLDER
  local folder="$1" begin="$EPOCHSECONDS" keyring=/usr/share/keyrings/debian-archive-keyring.gpg found
  local log="$folder.log"
  rm -rf --one-file-system "$folder.new"
  say "Making a Debian $rootfs in $folder (minutes; its log is $log)"
  # --mode=root: the lab is root, and bind mounts of /proc and /dev come and go in a namespace of their own.
  # INN's package wants to know a host with a domain.
  # shellcheck disable=SC2016 # expanded by mmdebstrap's shell and by the inner one
  unshare --mount --uts bash -c 'hostname "$1" && shift && exec "$@"' -- "lab.$lab_domain" \
    mmdebstrap --quiet --variant=minbase --mode=root --aptopt='APT::Install-Recommends "false"' \
    --essential-hook='printf "%s\n" "127.0.0.1 localhost" "127.0.1.1 lab.'"$lab_domain"' lab" >"$1/etc/hosts"' "${rootfs_options[@]}" \
    --include="$(IFS=,; printf '%s' "${packages[*]}")" "$rootfs" "$folder.new" - >"$log" 2>&1 8>&- 9>&- <<SOURCES || {
deb [signed-by=$keyring] $LAB_MIRROR $rootfs main
deb [signed-by=$keyring] $LAB_MIRROR $rootfs-backports main
SOURCES
    tail -n 8 "$log" >&2
    rm -rf --one-file-system "$folder.new"
    die "mmdebstrap could not make $folder: see $log"
  }
  found="$(dpkg-query --admindir="$folder.new/var/lib/dpkg" -W -f '${Version}' "${rootfs_expects% *}" 2>/dev/null)" || found=none
  dpkg --compare-versions "$found" ge "${rootfs_expects#* }" || {
    rm -rf --one-file-system "$folder.new"
    die "Debian $rootfs has ${rootfs_expects% *} $found, and the lab needs ${rootfs_expects#* } or newer"
  }
  # Packages that were downloaded are a quarter of it.
  rm -rf "$folder.new"/var/cache/apt/archives/*.deb "$folder.new"/var/lib/apt/lists/*
  mv "$folder.new" "$folder"
  say "Debian $rootfs made in $((EPOCHSECONDS - begin)) s: $(du -sh "$folder" | cut -f1)"
}

# Inside a box, once its /run is there: from here on the newer Debian is all that the box sees.
# Programs of before go on running; what is started from now on comes from the new root.
enter_rootfs() { # FOLDER
  mount -t tmpfs -o mode=0755 tmpfs /mnt
  mkdir /mnt/{upper,work,root}
  mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
  mount --rbind /dev /mnt/root/dev
  mount --rbind /run /mnt/root/run
  mount --bind /proc /mnt/root/proc
  cd /mnt/root || die "$name: no new root"
  pivot_root . mnt
  cd / || die "$name: no new root"
  hash -r
  # Lazy takes all that is mounted below along. Not --recursive: that walks mounts of the machine, which come and go.
  umount --lazy /mnt
}
