#!/bin/sh
# Installs the Python packages of a list beside this file into a virtual environment of its name in .tools, once:
#
#   tests/programs/python.sh graphite     # graphite.txt -> .tools/graphite
#
# Says why and fails where Python or a package can't be had.
set -eu
name=$1
cd "$(dirname "$0")/../.."
venv=.tools/$name
wanted=tests/programs/$name.txt

main() {
	one_at_a_time
	cmp -s "$wanted" "$venv/requirements.txt" && return
	command -v python3 >/dev/null || fail "python3 is missing"
	echo "$name: installing the packages of $wanted into $venv" >&2
	rm -rf "$venv"
	python3 -m venv "$venv" >&2 || fail "python3 has no venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2 || fail "the packages of $wanted can't be installed"
	cp "$wanted" "$venv/requirements.txt"
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

main
