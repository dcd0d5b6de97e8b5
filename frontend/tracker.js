/**
 * Footfall's tracker. One tag on every page of a shop:
 *
 *   <script src="https://footfall.example/tracker.js" data-key="WRITE_KEY" defer></script>
 *
 * `data-key`      a key that may write, where the service asks for one. It is public: it only writes.
 * `data-consent`  "required": nothing is stored or sent until `footfall.consent(true)`.
 *
 * footfall.track("add_to_cart", {sku: "A1"})  sends an event of its own.
 * footfall.consent(true | false)              is remembered; false also forgets the ids.
 *
 * Sent: the path of the page without its query and fragment, a random visitor id, a session id that
 * ends after 30 idle minutes. Do Not Track and Global Privacy Control are obeyed: then nothing is.
 *
 * Events go by `fetch` with `keepalive`, which outlives the page like `sendBeacon`; a beacon always
 * carries cookies and never a key, and a service that allows neither would refuse it.
 */
(() => {
  const tag = document.currentScript;
  const { key, consent } = tag.dataset;
  const nav = navigator;
  const url = new URL("/v1/events", tag.src).href;
  const forbidden = nav.doNotTrack === "1" || nav.globalPrivacyControl;
  const memory = {};
  let queue = [];
  let page;
  let busy;
  let failures = 0;
  let timer;

  // Storage may be blocked: then an id lasts as long as the page.
  const load = (store, name) => {
    try { return JSON.parse(window[store].getItem("footfall." + name)); } catch { return memory[name]; }
  };
  const save = (store, name, value) => {
    memory[name] = value;
    try { window[store].setItem("footfall." + name, JSON.stringify(value)); } catch {}
  };
  // `randomUUID` is missing where the shop is not served by HTTPS.
  const id = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
  const allowed = () => !forbidden && (load("localStorage", "consent") ?? consent !== "required");

  const ids = (now) => {
    let visitor = load("localStorage", "visitor");
    if (!visitor) save("localStorage", "visitor", (visitor = id()));
    const last = load("localStorage", "session");
    const session = last && now - last.at < 18e5 ? last.id : id();
    save("localStorage", "session", { id: session, at: now });
    return [visitor, session];
  };

  const track = (type, properties) => {
    if (!allowed()) return;
    const [user_id, session_id] = ids(Date.now());
    queue.push({
      timestamp: new Date().toISOString(), event_id: id(), user_id, session_id, event_type: type,
      page_url: location.pathname.slice(0, 2048), properties,
    });
    queue = queue.slice(-100);
    later(200);
  };

  const later = (wait) => {
    save("sessionStorage", "queue", queue);
    clearTimeout(timer);
    timer = setTimeout(send, wait);
  };

  const send = async () => {
    if (busy || !queue.length || !allowed()) return;
    busy = true;
    const batch = queue.slice(0, 10);
    const body = JSON.stringify(batch);
    const headers = { "Content-Type": "application/json" };
    if (key) headers["X-API-Key"] = key;
    let wait = 0;
    try {
      // A browser refuses `keepalive` for bodies above 64 KiB.
      const answer = await fetch(url, { method: "POST", headers, body, credentials: "omit", keepalive: body.length < 2e4 });
      if (answer.status === 429 || answer.status > 499) wait = answer.headers.get("Retry-After") * 1e3 || 1;
    } catch {
      wait = 1;
    }
    busy = false;
    failures = wait && failures + 1;
    // Whatever else was answered is final; sent again, the same ids make a second copy harmless.
    if (!wait) queue = queue.filter((event) => !batch.includes(event));
    later(wait && Math.max(wait, Math.min(3e5, 500 * 2 ** failures)));
  };

  const view = () => {
    if (page !== location.pathname) {
      page = location.pathname;
      track("page_view");
    }
  };

  for (const name of ["pushState", "replaceState"]) {
    const move = history[name];
    history[name] = function () {
      move.apply(this, arguments);
      view();
    };
  }
  addEventListener("popstate", view);
  addEventListener("pageshow", (event) => {
    if (event.persisted) track("page_view");
  });
  addEventListener("online", send);
  document.addEventListener("visibilitychange", () => document.hidden && send());

  window.footfall = {
    track,
    consent(given) {
      save("localStorage", "consent", given);
      page = given ? page : queue = [];
      if (given) view();
      else for (const name of ["visitor", "session"]) save("localStorage", name, null);
      save("sessionStorage", "queue", queue);
    },
  };
  queue = load("sessionStorage", "queue") || [];
  if (document.prerendering) document.addEventListener("prerenderingchange", view, { once: true });
  else view();
})();
