#!/bin/sh
# Makes public/heartbeat.js of its sources, and compiles the workspace to a Worker: index.js and index_bg.wasm.
# `make build` and wrangler (its [build] command) both come here. PROFILE=release, the default, optimises and writes to
# build/, which is tested, measured and deployed. PROFILE=quick, for `make dev`, writes to target/quick-worker/.
# Downloads nothing: worker-build is told where setup.sh has put the programs that it would fetch.
set -eu
cd "$(dirname "$0")/.."
tools/setup.sh
PATH="$PWD/node_modules/.bin:$PATH" node tools/build-browser.mjs

# cargo knows when there is nothing to compile, but worker-build would still optimise the module again.
inputs=".cargo src crates Cargo.toml Cargo.lock tools/build.sh"
profile=${PROFILE:-release}
case $profile in
release) out=build stamp=target/worker.stamp ;;
quick) out=target/quick-worker stamp=target/quick-worker.stamp ;;
*)
	echo "build: PROFILE must be release or quick, not $profile" >&2
	exit 2
	;;
esac
# shellcheck disable=SC2086 # a list of words
if [ -f "$out/index.js" ] && [ -f "$stamp" ] && [ -z "$(find $inputs -newer "$stamp")" ]; then
	echo "build: $out/ is up to date"
	exit 0
fi

# The stamp bears the time before the build, so that what is edited meanwhile is compiled next time.
mkdir -p target
touch "$stamp.new"
# The optimiser is a JavaScript program; it needs the project's own Node.
PATH="$PWD/node_modules/.bin:$PATH"
export WASM_BINDGEN_BIN="$PWD/.tools/bin/wasm-bindgen"
export WASM_OPT_BIN="$PWD/node_modules/.bin/wasm-opt"
export ESBUILD_BIN="$PWD/node_modules/.bin/esbuild"
if [ "$profile" = quick ]; then
	.tools/bin/worker-build --profile quick --no-opt --out-dir "$out"
	mv "$stamp.new" "$stamp"
	exit 0
fi
.tools/bin/worker-build --release

# worker-build insists on function names, a tenth of the module; a panic's message and place are in the log without them.
# Optimising once more takes 20 s and saves 5 KB, gzipped: what the first pass inlined is alike now.
# rustc puts the stack first in memory, so its lowest KiB is touched only by what is about to overflow: with that known, offsets
# fold into loads and stores, and another 8 KB go.
wasm-opt --all-features --strip-debug --low-memory-unused -O3 \
	build/index_bg.wasm -o build/index_bg.wasm
mv "$stamp.new" "$stamp"

wasm=build/index_bg.wasm
echo "build: $wasm has $(wc -c <$wasm) bytes, $(gzip -9 -c $wasm | wc -c) gzipped"
