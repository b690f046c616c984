# shellcheck shell=bash
use_kind network
host=43
