# shellcheck shell=bash
use_kind xrdp
host=12
pool=desktops
