/**
 * Polling: a fixed time after the last answer, with backoff after failures, not at all while the
 * page is hidden, and at once when it is shown again.
 */

const CALM = 30_000; // ms after an answer
const LIVE = 2_000;
const FIRST_RETRY = 5_000;
const LAST_RETRY = 120_000;

/**
 * @typedef {{busy: boolean, paused: boolean, live: boolean, dueAt: number | null,
 *   answeredAt: number | null, failure: import("./api.js").Unanswered | null, failures: number}} State
 */

export class Refresher {
  /** @type {State} */
  state = { busy: false, paused: false, live: false, dueAt: null, answeredAt: null, failure: null, failures: 0 };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Promise<void> | null} */
  #running = null;
  #load;
  #changed;

  /** @param {() => Promise<void>} load throws `Unanswered` @param {(state: State) => void} changed */
  constructor(load, changed) {
    this.#load = load;
    this.#changed = changed;
  }

  start() {
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#stop();
      else this.#ifRunning(() => this.refresh());
    });
    addEventListener("online", () => this.#ifRunning(() => this.refresh()));
    addEventListener("offline", () => this.#changed(this.state));
    this.#ifRunning(() => this.refresh());
  }

  /** Ask now; a request under way is shared. @returns {Promise<void>} */
  refresh() {
    this.#stop();
    this.#running ??= this.#ask().finally(() => { this.#running = null; });
    return this.#running;
  }

  /** Refresh again after any request in flight, which had other parameters. */
  async askAnew() {
    await this.#running;
    await this.refresh();
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.state.paused = paused;
    if (paused) this.#stop();
    else void this.refresh();
    this.#changed(this.state);
  }

  /** @param {boolean} live */
  setLive(live) {
    if (live === this.state.live) return;
    this.state.live = live;
    this.#ifRunning(() => (live ? this.refresh() : this.#schedule()));
    this.#changed(this.state);
  }

  async #ask() {
    Object.assign(this.state, { busy: true });
    this.#changed(this.state);
    try {
      await this.#load();
      Object.assign(this.state, { failure: null, failures: 0, answeredAt: Date.now() });
    } catch (error) {
      Object.assign(this.state, { failure: error, failures: this.state.failures + 1 });
    }
    this.state.busy = false;
    this.#ifRunning(() => this.#schedule());
    this.#changed(this.state);
  }

  /** @param {() => void} act unless paused, hidden, or waiting for a key */
  #ifRunning(act) {
    if (!this.state.paused && !document.hidden && this.state.failure?.kind !== "key") act();
  }

  #schedule() {
    this.#stop();
    const wait = this.#wait();
    this.state.dueAt = Date.now() + wait;
    this.#timer = setTimeout(() => void this.refresh(), wait);
  }

  #wait() {
    const { failure, failures, live } = this.state;
    if (!failure) return live ? LIVE : CALM;
    // A quarter either way, so that a wall of screens does not return all at once.
    const spread = 0.75 + Math.random() / 2;
    const backOff = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (failures - 1)) * spread;
    return Math.max(backOff, failure.retryAfter * 1000);
  }

  #stop() {
    clearTimeout(this.#timer);
    this.state.dueAt = null;
  }
}
