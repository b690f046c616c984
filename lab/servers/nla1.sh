# shellcheck shell=bash
use_kind nla
host=31
pool=nla
