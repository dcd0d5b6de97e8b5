/** The reader's key: asked for once, kept for this tab, or on this device if the reader says so. */

import { byId, setText } from "./dom.js";

const NAME = "footfall.key";

/** Used where the browser refuses to store anything. */
let held = "";

/** @param {(store: Storage) => string | null | void} use @returns {string} */
function inStores(use) {
  for (const name of /** @type {const} */ (["sessionStorage", "localStorage"])) {
    try {
      const found = use(window[name]);
      if (found) return found;
    } catch {
      // Storage is blocked.
    }
  }
  return "";
}

export const currentKey = () => held || inStores((store) => store.getItem(NAME));

export function forgetKey() {
  held = "";
  inStores((store) => store.removeItem(NAME));
}

/** @param {string} key @param {boolean} remember */
function keep(key, remember) {
  forgetKey();
  held = key;
  try {
    (remember ? localStorage : sessionStorage).setItem(NAME, key);
  } catch {
    // Storage is blocked: `held` serves until the page is left.
  }
}

/** Let the reader give a key; `done` is called with whether one was given. @param {string} reason @param {(given: boolean) => void} done */
export function askForKey(reason, done) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("key-dialog"));
  if (dialog.open) return;
  const value = /** @type {HTMLInputElement} */ (byId("key-value"));
  const remember = /** @type {HTMLInputElement} */ (byId("key-remember"));
  setText(byId("key-reason"), reason);
  value.value = "";
  dialog.returnValue = "";
  byId("key-cancel").onclick = () => dialog.close("");
  byId("key-form").onsubmit = (event) => {
    event.preventDefault();
    dialog.close("given");
  };
  dialog.onclose = () => {
    const given = dialog.returnValue === "given" && value.value.trim() !== "";
    if (given) keep(value.value.trim(), remember.checked);
    value.value = "";
    done(given);
  };
  dialog.showModal();
}
