# shellcheck shell=bash
use_kind faults
host=44
