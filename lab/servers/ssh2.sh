# shellcheck shell=bash
use_kind ssh
host=22
pool=terminals
