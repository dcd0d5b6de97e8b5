/** Wall mode: large figures for a screen that everybody sees, so without user ids; it stays awake. */

import { go, read } from "./address.js";
import { announce } from "./announcer.js";
import { byId, setAttribute, setText } from "./dom.js";

/** @type {{release(): Promise<void>} | null} */
let awake = null;

export function wall() {
  const button = byId("wall");
  const follow = () => {
    const on = read().wall;
    document.documentElement.classList.toggle("wall", on);
    setAttribute(button, "aria-pressed", String(on));
    setText(button, on ? "Leave wall" : "Wall");
    void stayAwake(on);
  };
  button.addEventListener("click", () => {
    const on = !read().wall;
    go({ wall: on });
    void fullScreen(on);
    announce(on ? "Wall view. Press Escape to leave it." : "Full view.");
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && read().wall && !document.querySelector("dialog[open]")) go({ wall: false });
  });
  addEventListener("hashchange", follow);
  // The system lets go of the lock whenever the page is hidden.
  document.addEventListener("visibilitychange", () => { if (!document.hidden) void stayAwake(read().wall); });
  follow();
}

/** @param {boolean} on */
async function fullScreen(on) {
  try {
    if (on) await document.documentElement.requestFullscreen();
    else if (document.fullscreenElement) await document.exitFullscreen();
  } catch {
    // Not allowed here: wall mode works in a window as well.
  }
}

/** @param {boolean} on */
async function stayAwake(on) {
  try {
    await awake?.release();
    awake = on ? await navigator.wakeLock.request("screen") : null;
  } catch {
    awake = null; // No wake lock in this browser: the screen's own settings decide.
  }
}
