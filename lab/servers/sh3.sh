# shellcheck shell=bash
use_kind xrdp010
host=13
pool=modern
