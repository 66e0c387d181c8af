#!/bin/sh
# Gets what the tests of clients/python need: in .tools/python a virtual environment with the packages of
# requirements-dev.txt and the client itself, installed as anyone would. Says nothing when all is there.
set -eu
cd "$(dirname "$0")/.."

python=.tools/python/bin/python
requirements=clients/python/requirements-dev.txt

main() {
	command -v python3 >/dev/null || fail "python3 is missing: install Python 3.9 or later (https://python.org)."
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
		fail "python3 is $(python3 --version 2>&1); the client needs 3.9 or later."
	one_at_a_time
	environment
	client
}

fail() {
	echo "python: $1" >&2
	exit 1
}

# As in setup.sh: the lock ends with this process.
one_at_a_time() {
	mkdir -p .tools
	if command -v flock >/dev/null; then
		exec 9>.tools/python.lock
		flock 9
	fi
}

environment() {
	wanted=$(python3 --version && cksum "$requirements")
	[ "$(cat .tools/python/.installed-requirements 2>/dev/null)" = "$wanted" ] && return
	echo "python: installing the packages of $requirements into .tools/python"
	rm -rf .tools/python
	python3 -m venv .tools/python || fail "python3 has no venv; where Python is packaged, it is often python3-venv."
	"$python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
	echo "$wanted" >.tools/python/.installed-requirements
}

client() {
	wanted=$(find clients/python/src clients/python/pyproject.toml clients/python/README.md -type f ! -name '*.pyc' \
		-exec cksum {} + | sort)
	[ "$(cat .tools/python/.installed-client 2>/dev/null)" = "$wanted" ] && return
	# Not editable: what is tested is what is installed. hatchling is the one of requirements-dev.txt.
	"$python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall \
		./clients/python
	"$python" -m pip check --quiet
	echo "$wanted" >.tools/python/.installed-client
}

main
