/** Asking the service. Requests are relative, and the key travels in a header only. */

import { currentKey } from "./key.js";

/**
 * @typedef {{page_url: string, views: number}} PageCount
 * @typedef {{user_id: string, sessions: number}} UserSessions
 * @typedef {{one: number, two: number, three_or_more: number}} Spread
 * @typedef {{window_seconds: number, total: number, types: number, unlisted: number, by_type: Record<string, number>, late: number, rejected: number}} EventCounts
 * @typedef {{as_of: string, active_users: number, page_views: number, active_sessions: number, pages: Record<string, number>}} Earlier
 * @typedef {{as_of: string, active_users: {window_seconds: number, count: number},
 *   page_views: {window_seconds: number, total: number, pages: number, unranked: number, top: PageCount[]},
 *   active_sessions: {window_seconds: number, total: number, spread: Spread, users: UserSessions[]},
 *   events: EventCounts,
 *   carts?: {window_seconds: number, open: number, carts: number, purchases: number},
 *   arrivals?: {window_seconds: number, count: number, last_at: string | null},
 *   comparison?: {previous: Earlier | null, yesterday: Earlier | null}}} Metrics
 * @typedef {{as_of: string, active_users: {count: number}, active_sessions: {total: number}}} Snapshot
 * @typedef {{minute: string, events: number, page_views: number, complete: boolean}} Minute
 * @typedef {{first_rejected_at: string, rejected_at: string, code: string, pointer: string, detail: string, event: string | null, count: number}} Rejection
 * @typedef {{received_at: string, occurred_at: string, late: boolean, user_id: string, event_type: string,
 *   page_url: string, session_id?: string, event_id?: string}} StoredEvent
 * @typedef {{as_of: string, window_seconds: number, user_id: string, sessions: number, active?: boolean, last_event_at?: string | null,
 *   latest: {session_id: string, last_event_at: string, events: number}[]}} UserAnswer
 */

const TIMEOUT = 10_000; // ms

export class Unanswered extends Error {
  /**
   * @param {"key" | "network" | "timeout" | "server" | "limited"} kind
   * @param {string} words what happened, for a reader
   * @param {number} [retryAfter] seconds the service asked to wait
   */
  constructor(kind, words, retryAfter = 0) {
    super(words);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** @param {string} path @returns {Promise<any>} */
export async function get(path) {
  const key = currentKey();
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT);
  try {
    // `no-cache` lets the browser ask with its ETag; a 304 costs no body.
    const answer = await fetch(path, {
      headers: key ? { Accept: "application/json", Authorization: `Bearer ${key}` } : { Accept: "application/json" },
      cache: "no-cache",
      signal: stop.signal,
    });
    if (!answer.ok) throw await problem(answer);
    return await answer.json();
  } catch (error) {
    if (error instanceof Unanswered) throw error;
    if (stop.signal.aborted) throw new Unanswered("timeout", "The server does not answer");
    if (error instanceof SyntaxError) throw new Unanswered("server", "The server’s answer cannot be read");
    throw new Unanswered("network", "The server cannot be reached");
  } finally {
    clearTimeout(timer);
  }
}

/** @param {Response} answer */
async function problem(answer) {
  const told = await answer.json().catch(() => ({}));
  const detail = typeof told.detail === "string" ? told.detail : typeof told.title === "string" ? told.title : "";
  const wait = Number(answer.headers.get("Retry-After")) || 0;
  if (answer.status === 401 || answer.status === 403) return new Unanswered("key", detail || "A key is needed");
  if (answer.status === 429) return new Unanswered("limited", "The server asks for fewer requests", wait);
  return new Unanswered("server", `The server has a problem (${answer.status}${detail && `: ${detail}`})`, wait);
}

/** @param {string} path @param {Record<string, string | number>} query */
const address = (path, query) => `${path}?${Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`;

/** @returns {Promise<Metrics>} */
export const metrics = () => get("/v1/metrics");

/** The last hour, oldest first; the newest is the running minute. @returns {Promise<Minute[]>} */
export const perMinute = async () => (await get("/v1/metrics/per-minute?minutes=60")).minutes;

/** Stored snapshots, oldest first: all of the last half hour, or what came `after`. @param {string} [after] @returns {Promise<Snapshot[]>} */
export const history = async (after) => (await get(address("/v1/metrics/history", after ? { minutes: 30, after } : { minutes: 30 }))).snapshots;

/** @param {number} limit @returns {Promise<Metrics["page_views"]>} */
export const pageViews = async (limit) => (await get(address("/v1/metrics/page-views", { limit }))).page_views;

/** Newest first. @returns {Promise<Rejection[]>} */
export const rejections = async () => (await get("/v1/rejections?limit=50")).rejections;

/** The newest stored events. @param {{limit: number, user?: string}} query @returns {Promise<StoredEvent[]>} */
export const events = async ({ limit, user }) => (await get(address("/v1/events", user ? { limit, user_id: user } : { limit }))).events;

/** @param {string} user @returns {Promise<UserAnswer>} */
export const sessionsOf = (user) => get(address("/v1/metrics/active-sessions", { user_id: user }));
