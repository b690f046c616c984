# shellcheck shell=bash
use_kind ssh
host=21
pool=terminals
