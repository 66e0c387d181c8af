#!/bin/sh
# Makes public/heartbeat.js of its sources, and compiles the crate to the Worker in build/: index.js and index_bg.wasm.
# `make build` and wrangler (its [build] command) both come here. Downloads nothing: worker-build is
# told where setup.sh has put the programs that it would fetch.
set -eu
cd "$(dirname "$0")/.."
tools/setup.sh
PATH="$PWD/node_modules/.bin:$PATH" node tools/build-browser.mjs

# cargo knows when there is nothing to compile, but worker-build would still optimise the module again.
inputs=".cargo src crates Cargo.toml Cargo.lock tools/build.sh"
stamp=target/worker.stamp
# shellcheck disable=SC2086 # a list of words
if [ -f build/index.js ] && [ -f "$stamp" ] && [ -z "$(find $inputs -newer "$stamp")" ]; then
	echo "build: build/ is up to date"
	exit 0
fi

# The stamp bears the time before the build, so that what is edited meanwhile is compiled next time.
mkdir -p target
touch "$stamp.new"
# The optimiser is a JavaScript program; it needs the project's own Node.
PATH="$PWD/node_modules/.bin:$PATH" \
	WASM_BINDGEN_BIN="$PWD/.tools/bin/wasm-bindgen" \
	WASM_OPT_BIN="$PWD/node_modules/.bin/wasm-opt" \
	ESBUILD_BIN="$PWD/node_modules/.bin/esbuild" \
	.tools/bin/worker-build --release

# worker-build insists on function names, a tenth of the module; a panic's message and place are in the log without them.
# Optimising once more takes 20 s and saves 5 KB, gzipped: what the first pass inlined is alike now.
# rustc puts the stack first in memory, so its lowest KiB is touched only by what is about to overflow: with that known, offsets
# fold into loads and stores, and another 8 KB go.
PATH="$PWD/node_modules/.bin:$PATH" wasm-opt --all-features --strip-debug --low-memory-unused -O3 \
	build/index_bg.wasm -o build/index_bg.wasm
mv "$stamp.new" "$stamp"

wasm=build/index_bg.wasm
echo "build: $wasm has $(wc -c <$wasm) bytes, $(gzip -9 -c $wasm | wc -c) gzipped"
