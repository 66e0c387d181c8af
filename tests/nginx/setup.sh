#!/bin/sh
# Puts Debian's nginx into .tools/nginx, once and without root. Says why and fails where the package can't be had; the tests
# are skipped then.
set -eu
cd "$(dirname "$0")/../.."
home=.tools/nginx

# Two tests that begin together must not install over each other.
mkdir -p .tools
if command -v flock >/dev/null; then
	exec 9>.tools/nginx.lock
	flock 9
fi
[ -x "$home/usr/sbin/nginx" ] && exit 0
for program in apt-get dpkg; do
	command -v "$program" >/dev/null || { echo "nginx: $program is missing" >&2; exit 1; }
done
echo "nginx: fetching Debian's package into $home" >&2
rm -rf "$home" "$home.new"
mkdir -p "$home.new"
(cd "$home.new" && apt-get download --quiet nginx >&2) || { echo "nginx: the package can't be fetched" >&2; exit 1; }
dpkg -x "$home.new"/nginx_*.deb "$home.new" >&2 || { echo "nginx: the package can't be unpacked" >&2; exit 1; }
rm "$home.new"/nginx_*.deb
"$home.new/usr/sbin/nginx" -v 2>/dev/null || { echo "nginx: the program does not run here" >&2; exit 1; }
mv "$home.new" "$home"
