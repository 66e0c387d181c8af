#!/bin/sh
# Installs adnpy, a client of app.net, into .tools/appnet, once. Says why and fails where Python
# or its packages can't be had; the tests are skipped then.
set -eu
cd "$(dirname "$0")/../.."
venv=.tools/appnet
wanted=tests/appnet/requirements.txt

# Two tests that begin together must not install over each other.
mkdir -p .tools
if command -v flock >/dev/null; then
	exec 9>.tools/appnet.lock
	flock 9
fi
cmp -s "$wanted" "$venv/requirements.txt" && exit 0
command -v python3 >/dev/null || { echo "appnet: python3 is missing" >&2; exit 1; }
echo "appnet: installing adnpy into $venv" >&2
rm -rf "$venv"
python3 -m venv "$venv" >&2 || { echo "appnet: python3 has no venv" >&2; exit 1; }
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2 ||
	{ echo "appnet: the packages of $wanted can't be installed" >&2; exit 1; }
cp "$wanted" "$venv/requirements.txt"
