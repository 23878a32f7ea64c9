#!/usr/bin/env bash
# Puts promtool and prometheus of Debian's package into .build/prometheus, unless they are on the PATH. No service is
# installed, and nothing outside this directory is changed but apt's lists, if it has none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="$PWD/.build/prometheus"
if command -v promtool >/dev/null && command -v prometheus >/dev/null; then exit 0; fi
if [[ -x "$target/usr/bin/promtool" && -x "$target/usr/bin/prometheus" ]]; then exit 0; fi

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
apt-get -q download prometheus || { apt-get -q update && apt-get -q download prometheus; }
dpkg-deb -x prometheus_*.deb tree
rm -rf "$target"
mkdir -p "$(dirname "$target")"
mv tree "$target"
"$target/usr/bin/promtool" --version
