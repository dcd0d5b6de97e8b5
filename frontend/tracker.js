// How to use it, and why it is so: docs/demo-shop/README.md
(() => {
  const tag = document.currentScript;
  const { key, consent } = tag.dataset;
  const url = new URL("/v1/events", tag.src);
  const forbidden = navigator.doNotTrack === "1" || navigator.globalPrivacyControl;
  const memory = {};
  let queue, page, busy, timer;
  let failures = 0;

  const load = (name, store = "local") => {
    try { return JSON.parse(window[store + "Storage"]["footfall." + name]); } catch { return memory[name]; }
  };
  const save = (name, value, store) => {
    try { window[(store || "local") + "Storage"]["footfall." + name] = JSON.stringify(value); } catch {}
    return (memory[name] = value);
  };
  const id = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
  const allowed = () => !forbidden && (load("consent") ?? consent !== "required");

  const track = (event_type, properties) => {
    if (!allowed()) return;
    const at = Date.now();
    const last = load("session");
    const { id: session_id } = save("session", { id: last && at - last.at < 18e5 ? last.id : id(), at });
    queue.push({
      timestamp: new Date(at).toISOString(), event_id: id(), event_type, properties, session_id,
      user_id: load("visitor") || save("visitor", id()), page_url: location.pathname.slice(0, 2048),
    });
    queue = queue.slice(-100);
    later(failures ? 5e3 : 100);
  };

  const later = (wait) => {
    save("queue", queue, "session");
    timer ??= setTimeout(send, wait);
  };

  const send = async (last) => {
    clearTimeout(timer);
    timer = null;
    if ((busy && !last) || !queue.length || !allowed()) return;
    busy = true;
    const batch = queue.slice(0, 10);
    const body = JSON.stringify(batch);
    const headers = { "Content-Type": "application/json" };
    if (key) headers["X-API-Key"] = key;
    let wait = 1;
    try {
      const answer = await fetch(url, { method: "POST", headers, body, credentials: "omit", keepalive: body.length < 2e4 });
      answer.text().catch(() => {}); // an unread answer keeps its connection
      wait = answer.status === 429 || answer.status > 499 ? answer.headers.get("Retry-After") * 1e3 || 1 : 0;
    } catch {}
    busy = false;
    failures = wait && failures + 1;
    // Any other answer is final.
    if (!wait) queue = queue.filter((event) => !batch.includes(event));
    later(wait && Math.max(wait, Math.min(3e5, 500 * 2 ** failures)));
  };

  const view = () => {
    if (page !== location.pathname) {
      page = location.pathname;
      track("page_view");
    }
  };
  const again = () => { page = 0; view(); };

  for (const name of ["pushState", "replaceState"]) {
    const move = history[name];
    history[name] = (...to) => {
      move.apply(history, to);
      view();
    };
  }
  addEventListener("popstate", view);
  addEventListener("pageshow", (event) => event.persisted && again());
  document.addEventListener("visibilitychange", () => document.hidden && send(1));

  window.footfall = {
    track,
    allowed,
    consent(given) {
      const before = allowed();
      save("consent", given);
      if (!given) {
        save("visitor");
        save("session");
        save("queue", (queue = []), "session");
      } else if (!before) again();
    },
  };
  queue = load("queue", "session") || [];
  if (document.prerendering) document.addEventListener("prerenderingchange", view, { once: true });
  else view();
})();
