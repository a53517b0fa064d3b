# shellcheck shell=bash
# Shared by the scripts, which source it: where things are, and how to speak.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit

# Everything that the scripts make lies beside cargo's own output and is ignored by git.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
state=$target/demo
tools=$state/tools
mkdir -p "$state"
export PATH=$tools/bin:$PATH

# Plugins that scripts/prepare.sh unpacked (it copies the user's own client configuration beside them).
if [[ -d $state/docker/cli-plugins ]]; then
  export DOCKER_CONFIG=$state/docker
fi
# The engine's own builder: others do not see local images.
export BUILDX_BUILDER=default

say() {
  printf '==> %s\n' "$*" >&2
}

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

has() {
  command -v "$1" >/dev/null
}

engine_answers() {
  has docker && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# quietly LOG COMMAND...: runs the command with its output in LOG, and shows the end of it if the command fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    fail "$* (all of its output: $log)"
  fi
}

# The machine's own mirror of Debian, nothing where it has none.
debian_mirror() {
  # shellcheck disable=SC2016  # apt's own variable
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null |
    awk 'NR == 1'
}

release() {
  (. /etc/os-release && echo "${VERSION_CODENAME:-}")
}
