/** How to send the first event: a curl that works as it stands, and the tracker's tag. */

import { copyText } from "./carry.js";
import { element, setText } from "./dom.js";

/** @param {boolean} keyed whether the service is known to ask for keys */
export const trackerTag = (keyed) => `<script src="${location.origin}/tracker.js"${keyed ? ' data-key="YOUR-WRITE-KEY"' : ""} defer></script>`;

/** @param {boolean} keyed */
function curl(keyed) {
  const key = keyed ? " \\\n  -H 'X-API-Key: YOUR-WRITE-KEY'" : "";
  return `curl -i ${location.origin}/v1/events${key} \\
  -H 'Content-Type: application/json' -d '
  {"timestamp": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'", "user_id": "usr_789",
   "event_type": "page_view", "page_url": "/products/electronics", "session_id": "sess_456"}'`;
}

/** @param {boolean} keyed */
export function startHere(keyed) {
  return [
    element("p", {}, "1. Send one event from a terminal:"), sample(curl(keyed), "the command"),
    element("p", {}, "2. Or put the tracker on every page of the shop, and list the shop’s origin in ", element("code", {}, "FOOTFALL_CORS_ORIGINS"), ":"), sample(trackerTag(keyed), "the tag"),
    element("p", {}, "3. Within seconds the dashboard shows one active user, one page view of ", element("code", {}, "/products/electronics"), " and one active session. “Events as they arrive” shows the event itself; “Data quality” says why, if it was refused."),
    element("p", { class: "definition" }, keyed ? "A write key is one of FOOTFALL_WRITE_KEYS; a read key cannot send." : "Where the service has write keys, add -H 'X-API-Key: YOUR-WRITE-KEY', and data-key=\"YOUR-WRITE-KEY\" to the tag."),
  ];
}

/** Text to copy. @param {string} text @param {string} name */
export function sample(text, name) {
  const copy = element("button", { type: "button", "aria-label": `Copy ${name}` }, "Copy");
  copy.addEventListener("click", () => void copyText(text).then((done) => {
    setText(copy, done ? "Copied" : "Not allowed");
    setTimeout(() => setText(copy, "Copy"), 2000);
  }));
  return element("div", { class: "sample" }, element("pre", { tabindex: "0", role: "group", "aria-label": name }, text), copy);
}
