// @ts-check
/**
 * The browser of the browser tests: the one that CHROMIUM names, else the one in the npm package @sparticuz/chromium,
 * which is the same on every machine (Linux on x64), else, where that does not run, the machine's own. Its language is
 * that of a machine without one: Chromium under LANG=C.UTF-8, as in containers and kiosks. A test may ask for another.
 */

import { accessSync, constants, existsSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

const ROOT = join(import.meta.dirname, "../..");
const ARGS = [
  // Containers and root have no user namespace for the sandbox; every page under test is our own.
  "--no-sandbox",
  "--disable-gpu",
  // A test connects only to its own server.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** What Chromium derives `navigator.language` from, strongest first; with these, `en-US@posix`. */
const LANGUAGE = { LANGUAGE: "", LC_ALL: "C.UTF-8", LC_MESSAGES: "C.UTF-8", LANG: "C.UTF-8" };

/**
 * @param {Record<string, string | undefined>} [environment] of the browser, such as its language and time zone
 * @returns {Promise<import("playwright-core").Browser>} a headless Chromium; the caller closes it.
 */
export async function launch(environment) {
  const { CHROMIUM } = process.env;
  if (CHROMIUM) return started(CHROMIUM, environment);
  if (process.platform === "linux" && process.arch === "x64") return startedPackage(environment);
  const executable = onPath("chromium") ?? onPath("google-chrome");
  if (executable === undefined) throw new Error("no Chromium found: install one, or name its executable in CHROMIUM");
  return started(executable, environment);
}

/** @param {string} executablePath @param {Record<string, string | undefined>} [environment] */
function started(executablePath, environment) {
  return chromium.launch({ executablePath, args: ARGS, env: { ...process.env, ...LANGUAGE, ...environment } });
}

/**
 * The package also has the libraries and fonts that a bare machine lacks; Chromium uses no others.
 * @param {Record<string, string | undefined>} [environment]
 */
async function startedPackage(environment) {
  const home = await unpackedPackage();
  return started(join(home, "chromium"), {
    ...environment,
    LD_LIBRARY_PATH: join(home, "al2023/lib"),
    FONTCONFIG_FILE: join(import.meta.dirname, "fonts.conf"),
    XDG_CACHE_HOME: join(home, "cache"),
  });
}

/** @param {string} name */
function onPath(name) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The package's files, decompressed once: two seconds, 220 MB. Test files run in parallel: each unpacks into a folder
 * of its own, and the first to finish renames it.
 */
async function unpackedPackage() {
  // `npm ci` deletes it with the rest of node_modules when the package's version changes.
  const home = join(ROOT, "node_modules/.chromium");
  if (existsSync(home)) {
    return home;
  }
  const scratch = await mkdtemp(`${home}-`);
  // The package unpacks to the system's temporary directory, whatever that is at the moment.
  const { TMPDIR } = process.env;
  process.env.TMPDIR = scratch;
  const { inflate } = await import("@sparticuz/chromium");
  const archives = ["chromium.br", "fonts.tar.br", "al2023.tar.br"];
  await Promise.all(archives.map((name) => inflate(join(ROOT, "node_modules/@sparticuz/chromium/bin", name))));
  if (TMPDIR === undefined) {
    delete process.env.TMPDIR;
  } else {
    process.env.TMPDIR = TMPDIR;
  }
  await rename(scratch, home).catch(() => rm(scratch, { recursive: true }));
  return home;
}
