#!/bin/sh
# Unpacks a package of Debian's into a folder of its name in .tools, once and without root:
#
#   tests/programs/debian.sh nginx usr/sbin/nginx -v     # package, program, how the program says its version
#
# Says why and fails where the package can't be had, or the program does not run.
set -eu
name=$1 program=$2 version=$3
cd "$(dirname "$0")/../.."
home=$PWD/.tools/$name

main() {
	one_at_a_time
	[ -x "$home/$program" ] && exit 0
	for tool in apt-get dpkg; do
		command -v "$tool" >/dev/null || fail "$tool is missing"
	done
	echo "$name: fetching Debian's package into .tools/$name" >&2
	rm -rf "$home" "$home.new"
	mkdir -p "$home.new"
	cd "$home.new"
	apt-get download --quiet "$name" >&2 || by_lists_of_our_own || fail "the package can't be fetched"
	dpkg -x "$name"_*.deb . >&2 || fail "the package can't be unpacked"
	rm -rf "$name"_*.deb apt
	"./$program" "$version" >/dev/null 2>&1 || fail "the program does not run here"
	mv "$home.new" "$home"
}

fail() {
	echo "$name: $1" >&2
	exit 1
}

# Two tests that begin together must not install over each other.
one_at_a_time() {
	mkdir -p .tools
	if command -v flock >/dev/null; then
		exec 9>".tools/$name.lock"
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
	apt-get --quiet "$@" update >&2 && apt-get download --quiet "$@" "$name" >&2
}

main
