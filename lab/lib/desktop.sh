# shellcheck shell=bash
# The desktop that session hosts show. The setup runs inside a box.

desktop_packages=(openbox xterm x11-apps x11-xserver-utils x11-utils hsetroot fonts-dejavu-core nano procps)

make_desktop() {
  mkdir -p /etc/lab
  install -m 0755 "$lab_src/files/session" "$lab_src/files/programs" "$lab_src/files/terminal" "$lab_src/files/app" /etc/lab/
  install -m 0644 "$lab_src/files/openbox.xml" "$lab_src/files/menu.xml" /etc/lab/
  # The same window manager for single programs, which fill the screen.
  sed '/<applications>/,/<\/applications>/d; s|^</openbox_config>|<applications><application class="*" type="normal"><decor>no</decor><maximized>yes</maximized></application></applications>&|' \
    /etc/lab/openbox.xml >/etc/lab/app.xml
  install -D -m 0644 "$lab_src/files/themerc" /etc/lab/share/themes/Lab/openbox-3/themerc
  # In the defaults of the program, so that an xterm started without our session looks the same.
  cat "$lab_src/files/XTerm" >>/etc/X11/app-defaults/XTerm
}

# Drives and pasted files of a client are a file system that the user's own process mounts. Whether users may open the
# device differs from machine to machine; here they may. Without the device there are no drives, and no error.
make_fuse() {
  [[ -c /dev/fuse ]] || { say "this kernel has no fuse device: no drives and no pasted files"; return 0; }
  mknod -m 0666 /run/lab/fuse c 10 229
  mount --bind /run/lab/fuse /dev/fuse
}
