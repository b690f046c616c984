# shellcheck shell=bash
use_kind office
host=42
