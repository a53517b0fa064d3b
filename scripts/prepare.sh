#!/usr/bin/env bash
# Sees to it that what the named purposes need is there, and says what it installs.
#
#   prepare.sh [build] [engine] [box] [images] [checks] [servers] [peers]
#
#   build    compiler and headers for the crates
#   engine   a Docker engine with Compose v2 and BuildKit
#   box      what a machine inside this one is made with
#   images   what the stand-ins for official images are made with
#   checks   the programs of the fast gates
#   servers  the real servers that the integration tests start for themselves
#   peers    what the benchmarks compare with, and what they make their containers of
#
# Installs on Debian and Ubuntu as root. With NO_INSTALL=1, elsewhere and for others it only says what is missing and fails.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The version that deny.toml is written for.
cargo_deny_version=0.20.2
# Asks the API whatever its description allows.
schemathesis_version=4.32.5

packages=()
unpacked=()
crates=()
python=()

want_command() {
  has "$1" || packages+=("$2")
}

want_file() {
  [[ -e $1 ]] || packages+=("$2")
}

want_unpacked() {
  has "$1" || unpacked+=("$2")
}

want_plugin() {
  docker "$1" version >/dev/null 2>&1 || unpacked+=("docker-$1")
}

is_static() {
  [[ -e $1 ]] && ! ldd "$1" >/dev/null 2>&1
}

for purpose in "$@"; do
  case $purpose in
    build)
      has cargo || fail "cargo is missing: install Rust (rust-version in Cargo.toml, or newer)"
      want_command gcc gcc
      want_command g++ g++
      want_command make make
      want_command pkg-config pkg-config
      want_file /usr/include/openssl/ssl.h libssl-dev
      ;;
    engine)
      if ! engine_answers; then
        want_command docker docker.io
        want_command dockerd docker.io
        want_command iptables iptables
      fi
      want_plugin compose
      want_plugin buildx
      ;;
    box)
      # An engine of its own, also where the one that answers is not this machine's.
      want_command dockerd docker.io
      want_command iptables iptables
      want_command ip iproute2
      want_command unshare util-linux
      ;;
    images)
      want_command debootstrap debootstrap
      want_command mvn maven
      want_file /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
      ;;
    checks)
      want_command shellcheck shellcheck
      # Their packages would start services on the demo's ports, so they are only unpacked.
      want_command jq jq
      want_command curl curl
      want_unpacked promtool prometheus
      want_unpacked amtool prometheus-alertmanager
      want_unpacked prometheus-alertmanager prometheus-alertmanager
      has cargo-deny || crates+=("cargo-deny@$cargo_deny_version")
      ;;
    servers)
      want_file /usr/sbin/mosquitto mosquitto
      want_file /usr/bin/mosquitto_passwd mosquitto
      compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
      want_command java default-jre-headless
      want_file /usr/share/java/zookeeper.jar libzookeeper-java
      want_file /usr/share/java/slf4j-simple.jar libslf4j-java
      want_file /usr/share/java/netty-handler.jar libnetty-java
      want_command haproxy haproxy
      # It is not started: systemd-analyze judges the unit.
      want_command systemd-analyze systemd
      is_static /bin/busybox || packages+=(busybox-static)
      compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || packages+=(libfaketime)
      if ! has schemathesis; then
        python+=("schemathesis==$schemathesis_version")
        python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
      fi
      ;;
    peers)
      want_command jq jq
      want_unpacked prometheus-blackbox-exporter prometheus-blackbox-exporter
      is_static /bin/busybox || packages+=(busybox-static)
      ;;
    *) fail "unknown purpose $purpose" ;;
  esac
done

if ((${#packages[@]} + ${#unpacked[@]} + ${#crates[@]} + ${#python[@]} == 0)); then
  exit 0
fi

mapfile -t unpacked < <(printf '%s\n' ${unpacked[@]+"${unpacked[@]}"} | sort -u | sed '/^$/d')
mapfile -t packages < <(printf '%s\n' ${packages[@]+"${packages[@]}"} | sort -u | sed '/^$/d')
summary="packages: ${packages[*]:-none}; unpacked under $state: ${unpacked[*]:-none}; by cargo: ${crates[*]:-none}; by pip: ${python[*]:-none}"
[[ ${NO_INSTALL:-} != 1 ]] || fail "NO_INSTALL=1, and these are missing: $summary"
if ((${#packages[@]} + ${#unpacked[@]} > 0)); then
  has apt-get || fail "not a Debian or Ubuntu, install by hand: $summary"
fi
if ((${#packages[@]} > 0 && EUID != 0)); then
  fail "only root can install packages: apt-get install ${packages[*]}"
fi
say "installing: $summary"

# A package of a server would start it on its usual port, which the demo and the tests choose for themselves. This is how an
# administrator forbids that; a rule that is there already stays.
policy=/usr/sbin/policy-rc.d
start_no_services() {
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
}

if ((${#packages[@]} > 0)); then
  start_no_services
  quietly "$state/apt-update.log" apt-get -qq update
  quietly "$state/apt-install.log" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${packages[@]}"
fi

# apt_download RELEASE PACKAGE...: unpacks packages of a Debian release, which need not be the machine's own, under $tools/root.
# apt checks their signatures as ever; the machine's own lists of packages stay as they are.
apt_download() {
  local from=$1 work=$state/apt options
  shift
  mkdir -p "$work/lists/partial" "$work/archives/partial" "$tools/root"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $from main" >"$work/sources.list"
  options=(-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$work/lists"
    -o "Dir::Cache=$work" -o "APT::Sandbox::User=$(id -un)")
  rm -f "$work"/*.deb
  quietly "$work/update.log" apt-get "${options[@]}" -qq update
  (cd "$work" && quietly "$work/download.log" apt-get "${options[@]}" -qq download "$@")
  for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$tools/root"
  done
}

plugins=()
programs=()
for package in ${unpacked[@]+"${unpacked[@]}"}; do
  case $package in
    docker-*) plugins+=("$package") ;;
    *) programs+=("$package") ;;
  esac
done

if ((${#plugins[@]} > 0)); then
  if [[ -n $(apt-cache policy docker-compose-v2 2>/dev/null) ]]; then
    # Ubuntu has both as packages that the client finds by itself.
    ((EUID == 0)) || fail "only root can install packages: apt-get install docker-compose-v2 docker-buildx"
    quietly "$state/apt-install.log" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends docker-compose-v2 docker-buildx
  else
    # Debian has them from trixie on; that release's programs run on older ones too.
    apt_download trixie "${plugins[@]}"
    mkdir -p "$state/docker/cli-plugins"
    # The client reads one configuration folder only: keep the user's logins and proxies.
    own=${DOCKER_CONFIG:-$HOME/.docker}
    if [[ -e $own/config.json && ! -e $state/docker/config.json ]]; then
      cp "$own/config.json" "$state/docker/"
    fi
    for plugin in "${plugins[@]}"; do
      install "$tools/root/usr/libexec/docker/cli-plugins/$plugin" "$state/docker/cli-plugins/"
    done
  fi
fi

if ((${#programs[@]} > 0)); then
  apt_download bookworm "${programs[@]}"
  mkdir -p "$tools/bin"
  for program in promtool amtool prometheus-alertmanager prometheus-blackbox-exporter; do
    [[ ! -x $tools/root/usr/bin/$program ]] || install "$tools/root/usr/bin/$program" "$tools/bin/"
  done
fi

rm -rf "$state/apt" "$tools/root"

for crate in ${crates[@]+"${crates[@]}"}; do
  # Without optimisation it is there in a minute and a half, and it checks one small graph. A target folder of its own: other
  # profiles and features would only push out what the project itself has built.
  CARGO_TARGET_DIR=$state/crates quietly "$state/cargo-install.log" cargo install --debug --locked --root "$tools" "$crate"
  rm -rf "$state/crates"
done

for distribution in ${python[@]+"${python[@]}"}; do
  # A folder of its own for each, so that none meets what the machine's Python has.
  name=${distribution%%=*}
  quietly "$state/pip.log" python3 -m venv --clear "$tools/$name"
  quietly "$state/pip.log" "$tools/$name/bin/pip" install --disable-pip-version-check "$distribution"
  mkdir -p "$tools/bin"
  ln -sfn "../$name/bin/$name" "$tools/bin/$name"
done
