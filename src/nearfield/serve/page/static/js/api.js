// The server's answers. Keys live in sessionStorage: this tab, until it is closed.

import { byId } from "./dom.js";

// The page may stand behind a proxy under a path of its own; what it asks for stands beside it.
const ROOT = new URL("../../", import.meta.url);
const KEY = "nearfield-key";

export class ApiError extends Error {
  constructor(status, type, message) {
    super(message);
    this.status = status;
    this.type = type;
    if (status === 403) this.title = "This key may not do that";
    if (status === 0) this.title = "The server does not answer";
    if (status === 429 || status === 503) this.title = "The server is busy";
  }
}

export const address = (path) => new URL(path, ROOT).href;
export const of = (collection, verb) => `v1/collections/${encodeURIComponent(collection)}/${verb}`;
export const beside = (what, query) => `page/data/${what}?${new URLSearchParams(query)}`;

let asking = null;

/** Asks for a key, once however many calls are waiting for it. */
function askForKey(wrong) {
  asking ??= new Promise((resolve) => {
    const dialog = byId("key-dialog");
    const input = byId("key");
    byId("key-why").textContent = wrong
      ? "The server does not know this key. Ask whoever runs it for one."
      : "Ask whoever runs it for one. It is kept in this tab only, until you close it.";
    input.value = "";
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, input.value.trim());
      dialog.close();
    };
    dialog.onclose = () => {
      asking = null;
      resolve(Boolean(sessionStorage.getItem(KEY)));
    };
    dialog.showModal();
    input.focus();
  });
  return asking;
}

/** The response to a request; ApiError where it is not a good one. */
export async function ask(method, path, body, { signal } = {}) {
  for (;;) {
    const headers = { Accept: "application/json" };
    const key = sessionStorage.getItem(KEY);
    if (key) headers.Authorization = `Bearer ${key}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(address(path), { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "unreachable", "Is it still running? Start it again with `nearfield serve`, then try again.");
    }
    if (response.status === 401) {
      if (key && key === sessionStorage.getItem(KEY)) sessionStorage.removeItem(KEY);
      if (sessionStorage.getItem(KEY) || (await askForKey(Boolean(key)))) continue;
    }
    if (response.ok) return response;
    const said = await response.json().catch(() => null);
    const error = said?.error ?? {};
    throw new ApiError(response.status, error.type ?? "error", error.message ?? `${response.status} ${response.statusText}`);
  }
}

export async function call(method, path, body, more) {
  const response = await ask(method, path, body, more);
  return response.status === 204 ? null : response.json();
}

export const get = (path, more) => call("GET", path, undefined, more);
export const post = (path, body = {}, more) => call("POST", path, body, more);

/** A picture behind a key, as an address that an image can show. */
export async function picture(path, more) {
  return URL.createObjectURL(await (await ask("GET", path, undefined, more)).blob());
}

const pause = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("left", "AbortError"));
    });
  });

export { pause };
