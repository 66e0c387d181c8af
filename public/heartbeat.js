// Heartbeat for pages: docs/browser.md. MIT.
(() => {
  const stub = window.heartbeat || {};
  if (stub.flush) return;

  const MAX_BYTES = 30000;
  const MAX_BATCHES = 10;
  const BEAT_S = 10;
  const HOLD_S = 45;
  const REPEAT_S = 540;
  const WAIT_S = 82800;

  const options = { sampleRate: 1, flushInterval: 5, exceptions: true, exceptionBudget: 20, presence: true, pageViews: true, keep: true };
  const told = new Set();
  let off = true;
  let open = new Map();
  let openBytes = 0;
  let batches = [];
  const busy = new Set();
  let pause_s = 1;
  let retryAt_s = 0;
  let working = Promise.resolve();
  let url, prefix, isSeen, beat, beat_s, timer;

  function init(given) {
    Object.assign(options, given);
    const { stream, endpoint, doNotTrack } = options;
    if (!stream || url) return;
    url = new URL(`/v1/streams/${stream}/points`, endpoint);
    prefix = `heartbeat:${stream}:`;
    if (doNotTrack && navigator.doNotTrack == 1) return;
    off = false;
    if (options.exceptions) {
      listen("error", ({ error, message }) => exception(error || message));
      listen("unhandledrejection", ({ reason }) => exception(reason));
    }
    listen("pagehide", () => {
      isSeen = false;
      leave();
    });
    listen("visibilitychange", () => (document.hidden ? leave() : show()));
    show();
    setTimeout(work, options.flushInterval * 1000);
  }

  function listen(type, run) {
    addEventListener(type, guarded(run));
  }

  function guarded(run) {
    return (...args) => {
      try {
        return run(...args);
      } catch (error) {
        console.warn(error);
      }
    };
  }

  function show() {
    if (document.hidden) return;
    if (!isSeen && options.pageViews) pageView();
    isSeen = true;
    present();
  }

  function present(isLast) {
    const p = Math.min(now_s() - beat_s, 15);
    if (beat) add({ n: p, p, v: { event: "presence", ...client() } });
    clearTimeout(beat);
    beat = options.presence && !isLast && setTimeout(guarded(present), BEAT_S * 1000);
    beat_s = now_s();
  }

  function client() {
    return options.distinct && { [options.distinct]: (sessionStorage.heartbeat ??= random()) };
  }

  function pageView(labels) {
    count(1, { event: "page_view", path: location.pathname, ...client(), ...labels });
  }

  function exception(error, labels) {
    const { name = "Error", message = error } = error || {};
    const print = String(message).slice(0, 200).replace(/[?#]\S*/g, "").replace(/\b[\da-f-]*\d[\da-f-]*/gi, "0");
    if (told.size < options.exceptionBudget) told.add(print);
    if (told.has(print)) count(1, { exception: name, message: print, source: "client", ...labels });
  }

  function count(n = 1, v) {
    add({ n, v }, true);
  }

  function time(run, labels) {
    const start_ms = performance.now();
    const done = () => api.timing(performance.now() - start_ms, labels);
    let result;
    try {
      result = run();
      return result?.finally?.(done) ?? result;
    } finally {
      if (!result?.finally) done();
    }
  }

  function add(point, merges) {
    const { sampleRate, labels, beforeSend } = options;
    if (off || Math.random() >= sampleRate) return;
    point = { ...point, v: { ...(typeof labels == "function" ? labels() : labels), ...point.v } };
    if (beforeSend) point = beforeSend(point);
    if (!point) return;
    const { n, d = 1, p, t } = point;
    const v = {};
    for (const name of Object.keys(point.v).sort()) {
      if (point.v[name] != null) v[clip(name, 64)] = clip(point.v[name], 256);
    }
    const entry = { n: n / sampleRate, d: d / sampleRate, p, t, v, at_s: now_s() };
    const key = merges ? JSON.stringify([(entry.at_s / 10) | 0, v]) : entry;
    const same = open.get(key);
    if (same) {
      same.n += entry.n;
      same.d += entry.d;
      return;
    }
    const bytes = new TextEncoder().encode(JSON.stringify(entry)).length + 50;
    if (openBytes + bytes > MAX_BYTES) cut();
    if (openBytes + bytes > MAX_BYTES) return;
    openBytes += bytes;
    open.set(key, entry);
    arm();
  }

  function clip(text, bytes) {
    const encoded = new TextEncoder().encode(String(text).replace(/\p{Cc}/gu, " "));
    return new TextDecoder().decode(encoded.subarray(0, bytes), { stream: true });
  }

  function random() {
    return Math.random() + "-" + Date.now();
  }

  function now_s() {
    return Date.now() / 1000;
  }

  function cut() {
    if (!open.size || batches.length >= MAX_BATCHES) return;
    batches.push({ id: random(), points: [...open.values()], until_s: now_s() + WAIT_S });
    open = new Map();
    openBytes = 0;
  }

  function arm() {
    if (batches.length || open.size) timer ??= setTimeout(work, Math.max(retryAt_s - now_s(), options.flushInterval) * 1000);
  }

  function work() {
    timer = clearTimeout(timer);
    return (working = working.then(sendAll).then(adopt).then(arm, arm));
  }

  async function sendAll() {
    if (!batches.length) cut();
    for (const batch of batches) if (isReady(batch)) await post(batch);
  }

  function isReady(batch) {
    return !off && navigator.onLine && now_s() >= retryAt_s && busy.size < 2 && !busy.has(batch);
  }

  function leave() {
    present(true);
    cut();
    for (const batch of batches) {
      if (isReady(batch)) post(batch, true);
      store(batch, 0);
    }
  }

  async function post(batch, leaving) {
    const now = now_s();
    const { id, points } = batch;
    const { at_s } = points[0];
    const { until_s } = batch.held_s >= 0 ? read(prefix + id) : batch;
    if (!(until_s > now)) return drop(batch);
    const isLate = !batch.isRefused && now - at_s - BEAT_S > options.flushInterval;
    const body = JSON.stringify(points.map(({ at_s, t = isLate ? at_s : undefined, ...point }) => ({ ...point, t })));
    batch.until_s = Math.min(until_s, now + REPEAT_S);
    busy.add(batch);
    store(batch, now);
    url.search = "batch=" + id;
    try {
      if (leaving && !("keepalive" in Request.prototype)) throw navigator.sendBeacon(url, body);
      const { status, headers } = await fetch(url, {
        method: "POST",
        body,
        keepalive: true,
        credentials: "omit",
        signal: AbortSignal.timeout?.(30000),
      });
      if (status > 499 || status == 429) throw headers.get("Retry-After");
      pause_s = 1;
      off = status > 400;
      if (isLate && status == 400) batch.isRefused = true;
      else drop(batch);
    } catch (after) {
      pause_s = Math.min(pause_s * (1.5 + Math.random()), 60);
      retryAt_s = now_s() + Math.max(pause_s, +after || 0);
    } finally {
      busy.delete(batch);
    }
  }

  function drop(batch) {
    batches = batches.filter((one) => one != batch);
    stored((storage) => delete storage[prefix + batch.id]);
  }

  function stored(run) {
    try {
      return options.keep && run(localStorage);
    } catch {}
  }

  function kept(storage) {
    return Object.keys(storage).filter((key) => key.startsWith(prefix));
  }

  function read(key) {
    return stored((storage) => JSON.parse(storage[key])) || {};
  }

  function store(batch, held_s) {
    stored((storage) => {
      if (batch.held_s == null && kept(storage).length >= MAX_BATCHES) return;
      storage[prefix + batch.id] = JSON.stringify({ ...batch, held_s });
      batch.held_s = held_s;
    });
  }

  function adopt() {
    for (const key of stored(kept) || []) {
      const batch = read(key);
      const isFree = now_s() - batch.held_s > HOLD_S && !batches.some(({ id }) => id == batch.id);
      if (isFree) batches.push(batch);
    }
  }

  const api = {
    init,
    count,
    ratio: (n, d, v) => add({ n, d, v }, true),
    timing: (n, v) => add({ n, v }),
    send: (point) => add(point),
    exception,
    pageView,
    flush() {
      cut();
      return work();
    },
  };
  for (const name in api) api[name] = guarded(api[name]);
  window.heartbeat = { ...api, time };
  const { src: endpoint, dataset } = document.currentScript || {};
  const given = { endpoint };
  for (const name in dataset) {
    const text = dataset[name];
    given[name] = /^({|false$)/.test(text) ? guarded(JSON.parse)(text) : text || true;
  }
  api.init({ ...given, ...stub });
  for (const [name, ...args] of stub.q || []) heartbeat[name](...args);
})();
