#!/bin/sh
# Puts Debian's prometheus and promtool into .tools/prometheus, once and without root. Says why and fails where the package
# can't be had; the tests are skipped then, but in a CI they fail.
set -eu
cd "$(dirname "$0")/../.."
home=$PWD/.tools/prometheus

main() {
	one_at_a_time
	[ -x "$home/usr/bin/promtool" ] && exit 0
	for program in apt-get dpkg; do
		command -v "$program" >/dev/null || fail "$program is missing"
	done
	echo "prometheus: fetching Debian's package into .tools/prometheus" >&2
	rm -rf "$home" "$home.new"
	mkdir -p "$home.new"
	cd "$home.new"
	apt-get download --quiet prometheus >&2 || by_lists_of_our_own || fail "the package can't be fetched"
	dpkg -x prometheus_*.deb . >&2 || fail "the package can't be unpacked"
	rm -rf prometheus_*.deb apt
	usr/bin/prometheus --version >/dev/null 2>&1 || fail "the program does not run here"
	mv "$home.new" "$home"
}

fail() {
	echo "prometheus: $1" >&2
	exit 1
}

# Two tests that begin together must not install over each other.
one_at_a_time() {
	mkdir -p .tools
	if command -v flock >/dev/null; then
		exec 9>.tools/prometheus.lock
		flock 9
	fi
}

# A fresh machine has no lists of packages, and an old one has lists of packages that are gone. To get new ones for the machine
# takes root, and changes it.
by_lists_of_our_own() {
	mkdir -p apt/state/lists/partial apt/cache/archives/partial
	set -- -o "Dir::State=$PWD/apt/state" -o "Dir::State::lists=$PWD/apt/state/lists" \
		-o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$PWD/apt/cache" \
		-o "APT::Sandbox::User=$(id -un)"
	apt-get --quiet "$@" update >&2 && apt-get download --quiet "$@" prometheus >&2
}

main
