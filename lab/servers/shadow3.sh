# shellcheck shell=bash
use_kind shadow3
host=33
