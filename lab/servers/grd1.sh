# shellcheck shell=bash
use_kind grd
host=32
pool=grd
