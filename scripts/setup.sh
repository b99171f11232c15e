#!/usr/bin/env bash
# Installs missing Debian packages, then the locked npm packages. Quiet if nothing is missing.
#   --for=COMMAND  the command about to run; `help` and the like need no Debian packages
#   --tests        includes the tests' packages
# Without root it prints the one apt-get line and stops with exit code 3.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
lists=("$root/scripts/packages.txt")
need_packages=no
for_tests=no
for argument in "$@"; do
  case "$argument" in
    --tests) lists+=("$root/scripts/packages-test.txt"); need_packages=yes for_tests=yes ;;
    --for=up | --for=image) need_packages=yes ;;
    --for=drill) lists+=("$root/scripts/packages-drill.txt"); need_packages=yes ;;
    --for=*) ;;
    *) echo "setup: unknown argument $argument" >&2; exit 2 ;;
  esac
done

missing_packages() {
  local wanted
  wanted=$(grep -hv '^#' "${lists[@]}" | grep -v '^$')
  # shellcheck disable=SC2086 # one word per package
  comm -23 <(sort -u <<<"$wanted") \
    <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^ii  *//p' | sort -u)
}

# The installed libsystemd-shared may be of the same version but built without TPM 2 support: repart then
# dies on its first TPM call. Resolving every symbol at load time shows it.
repart_is_whole() {
  LD_BIND_NOW=1 systemd-repart --version >/dev/null 2>&1
}

# npm ci once per lock file; the stamp is inside node_modules, so removing that folder is enough to start over.
install_npm_packages() {
  local stamp="$root/node_modules/.strongroom-lock" lock
  lock=$(sha256sum "$root/package-lock.json" | cut -d' ' -f1)
  if [ "$for_tests" = yes ] && [ ! -d "$root/node_modules/pkcs11js" ]; then rm -f "$stamp"; fi
  if [ ! -e "$stamp" ] || [ "$(cat "$stamp")" != "$lock" ]; then
    if ! command -v npm >/dev/null; then
      echo "strongroom: npm is missing. Install it with: apt-get install -y nodejs npm" >&2
      exit 3
    fi
    echo "setup: npm ci" >&2
    (cd "$root" && npm ci --no-audit --no-fund --loglevel=error >&2)
    printf '%s' "$lock" >"$stamp"
  elif [ ! "$stamp" -nt "$root/package-lock.json" ]; then
    # The launcher compares only times.
    touch "$stamp"
  fi
}

# The one native package, pkcs11js, is optional for users: it is compiled if the tools are installed, against Debian's
# headers, because others would have to be downloaded. The tests need it.
if [ -z "${npm_config_nodedir:-}" ] && [ -d /usr/include/node ]; then export npm_config_nodedir=/usr; fi

npm=
if [ "$need_packages" = yes ]; then
  if ! command -v apt-get >/dev/null; then
    echo "strongroom: this machine has no apt-get; Strongroom runs on Debian 13." >&2
    exit 3
  fi
  mapfile -t missing < <(missing_packages)
  reinstall=()
  if command -v systemd-repart >/dev/null && ! repart_is_whole; then reinstall=(libsystemd-shared); fi
  if [ "${#missing[@]}" -gt 0 ] || [ "${#reinstall[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ]; then
      echo "strongroom: Debian packages are missing. As root, run:" >&2
      again="${reinstall:+ && apt-get install -y --reinstall ${reinstall[*]}}"
      echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}$again" >&2
      exit 3
    fi
    echo "setup: installing Debian packages: ${missing[*]} ${reinstall[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    # Side by side: both mostly wait for the network. The tests' native package is compiled with Debian's headers.
    if [ "$for_tests" = no ]; then
      install_npm_packages &
      npm=$!
      trap 'wait "$npm" || true' EXIT
    fi
    apt-get update -qq >&2
    if [ "${#missing[@]}" -gt 0 ]; then apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2; fi
    if ! repart_is_whole; then apt-get install -y -qq --reinstall libsystemd-shared >&2; fi
  fi
fi

if [ -n "$npm" ]; then wait "$npm"; else install_npm_packages; fi

# Bundles the sources of the command line and of the server, which would otherwise be found and compiled at each start. Without
# a bundle they run directly.
bundle() {
  local directory=$root/apps/$1/dist builder=$root/scripts/$2
  if [ -e "$directory/bundle.json" ] || [ ! -e "$root/node_modules/esbuild" ] || [ ! -w "$root/apps/$1" ]; then return 0; fi
  "$root/node_modules/.bin/node" --conditions=x-source --disable-warning=ExperimentalWarning "$builder" >&2 ||
    echo "setup: $directory was not made; its sources are compiled at each start" >&2
}
bundle cli build-cli.ts
bundle strongroomd build-server.ts

# Builds the portal's files if their sources changed; a server without them has no portal.
if [ -e "$root/node_modules/esbuild" ] && [ -w "$root/apps/portal" ]; then
  "$root/node_modules/.bin/node" --conditions=x-source --disable-warning=ExperimentalWarning "$root/scripts/build-portal.ts" >&2 ||
    echo "setup: apps/portal/dist was not made; there is no portal" >&2
fi

# Building the guests' firmware takes seconds, once: tests with a time limit do not wait for it.
if [ "$for_tests" = yes ] && [ -e /usr/share/OVMF/OVMF_CODE_4M.secboot.fd ]; then
  "$root/node_modules/.bin/node" --conditions=x-source --disable-warning=ExperimentalWarning "$root/scripts/make-firmware.ts"
fi
