#!/bin/sh
# Gets what the build needs and the machine does not have: rustc's wasm target, the npm packages of the lock file, and in
# .tools the two programs that turn a crate into a Worker. Needs cargo, rustup, Node and npm; says nothing when all is there.
# `setup.sh npm` gets the packages only, which is all that serving needs, and needs no Rust.
set -eu
cd "$(dirname "$0")/.."

worker_build=0.8.7
# The two sides of the boundary between wasm and JavaScript must be of one version, so Cargo.lock decides.
wasm_bindgen=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/version = |"/, ""); print }' Cargo.lock)

main() {
	need node "Node is missing: install version 20 or later (https://nodejs.org)."
	one_at_a_time
	npm_packages
	[ "${1:-}" != npm ] || return 0
	need cargo "Rust is missing: install it with rustup (https://rustup.rs)."
	wasm_target
	tool worker-build "$worker_build" worker-build --locked
	# Without its own lock file: not every mirror of the registry has every version named there.
	tool wasm-bindgen "wasm-bindgen $wasm_bindgen" wasm-bindgen-cli --no-default-features
	rm -rf target/tools
}

need() {
	command -v "$1" >/dev/null || fail "$2"
}

fail() {
	echo "setup: $1" >&2
	exit 1
}

# Two builds started together must not install over each other. The lock ends with this process, however that ends;
# a machine without flock (macOS) does without.
one_at_a_time() {
	mkdir -p .tools
	if command -v flock >/dev/null; then
		exec 9>.tools/lock
		flock 9
	fi
}

wasm_target() {
	[ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ] && return
	need rustup "The wasm32-unknown-unknown target is missing, and so is rustup to add it (https://rustup.rs)."
	echo "setup: adding rustc's wasm32-unknown-unknown target"
	rustup target add wasm32-unknown-unknown
}

npm_packages() {
	cmp -s package-lock.json node_modules/.installed-lock.json && return
	need npm "npm is missing: it comes with Node (https://nodejs.org)."
	echo "setup: installing the npm packages of package-lock.json"
	# Not on the Node in node_modules, where the caller's PATH may point: npm deletes that first. And errors only: npm would
	# warn that the machine's Node is older than some packages want. They run on the one that it installs.
	PATH=$(printf %s "$PATH" | sed "s|$PWD/node_modules/.bin:||g") npm ci --no-audit --no-fund --loglevel=error
	cp package-lock.json node_modules/.installed-lock.json
}

# tool PROGRAM EXPECTED CRATE FLAG: what `PROGRAM --version` must answer, and where the program comes from.
tool() {
	[ "$(".tools/bin/$1" --version 2>/dev/null)" = "$2" ] && return
	echo "setup: compiling $3 ${2##* } into .tools (a few minutes, once)"
	# They work for a second per build: compiling them with optimisation costs more than it will ever save.
	CARGO_TARGET_DIR=target/tools CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
		cargo install --root .tools --force --bin "$1" "$4" "$3@${2##* }"
}

main "$@"
