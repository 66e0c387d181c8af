#!/bin/sh
# Puts Debian's prometheus and promtool into .tools/prometheus, once and without root. Says why and fails where the package
# can't be had; the tests are skipped then.
set -eu
cd "$(dirname "$0")/../.."
home=.tools/prometheus

# Two tests that begin together must not install over each other.
mkdir -p .tools
if command -v flock >/dev/null; then
	exec 9>.tools/prometheus.lock
	flock 9
fi
[ -x "$home/usr/bin/promtool" ] && exit 0
for program in apt-get dpkg; do
	command -v "$program" >/dev/null || { echo "prometheus: $program is missing" >&2; exit 1; }
done
echo "prometheus: fetching Debian's package into $home" >&2
rm -rf "$home" "$home.new"
mkdir -p "$home.new"
(cd "$home.new" && apt-get download --quiet prometheus >&2) || { echo "prometheus: the package can't be fetched" >&2; exit 1; }
dpkg -x "$home.new"/prometheus_*.deb "$home.new" >&2 || { echo "prometheus: the package can't be unpacked" >&2; exit 1; }
rm "$home.new"/prometheus_*.deb
"$home.new/usr/bin/prometheus" --version >/dev/null 2>&1 || { echo "prometheus: the program does not run here" >&2; exit 1; }
mv "$home.new" "$home"
