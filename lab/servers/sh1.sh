# shellcheck shell=bash
use_kind xrdp
host=11
pool=desktops
