# shellcheck shell=bash
use_kind directory
host=41
