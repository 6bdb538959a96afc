// The way to the service: its address as the browser sees it, the key, and what to say when it refuses.

import {by_id} from "./parts.js";

/** A sentence for whoever looks at the page. */
export class Refused extends Error {
  is_told = true;

  constructor(sentence, status = 0) {
    super(sentence);
    this.wants_key = status === 401;
  }
}

/** Behind a proxy's prefix, too. */
export const address = (path) => new URL(path, location.href).href.replace(/[?#].*$/, "");

export const base = () => address(".").replace(/\/$/, "");

/** Kept in this tab alone. */
export function key() {
  try {
    return sessionStorage.getItem("key") || "";
  } catch {
    return by_id("key").value;
  }
}

export function set_up_key() {
  const form = by_id("keyed"), field = by_id("key");
  field.value = key();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      sessionStorage.setItem("key", field.value.trim());
    } catch { /* this browser keeps nothing: it stays in the field */ }
    form.hidden = true;
    document.dispatchEvent(new CustomEvent("key"));
  });
}

function ask_for_key(sentence) {
  by_id("keyed").hidden = false;
  by_id("why-key").textContent = key() ? sentence : "This service asks for a key. It is kept in this tab alone.";
  if (!by_id("keyed").contains(document.activeElement)) by_id("key").focus();
}

async function sentence(response) {
  let told = `The answer was ${response.status} ${response.statusText}`;
  try {
    const body = await response.json();
    told = body.error?.message || body.error || told;
  } catch { /* a proxy's, in HTML */ }
  const wait_s = response.headers.get("Retry-After");
  return wait_s ? `${told} (ask again in ${wait_s} s)` : told;
}

/** The answer to GET, or to POST if there is a body. Throws Refused. */
export async function ask(path, body) {
  const headers = key() ? {Authorization: `Bearer ${key()}`} : {};
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path), {method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body)});
  } catch {
    throw new Refused("The service does not answer: it is not there, or the network is not.");
  }
  if (response.ok) return response;
  const told = await sentence(response);
  if (response.status === 401) ask_for_key(told);
  throw new Refused(told, response.status);
}

const MILLISECONDS = {
  queue: "X-Queue-Time", decode: "X-Decode-Time", tokenize: "X-Tokenization-Time", forward: "X-Inference-Time",
  encode: "X-Encode-Time",
};

/** Vectors of texts, and what the answer's headers tell of them; times in milliseconds. */
export async function embed(texts) {
  const response = await ask("predict", {text: texts});
  const number = (name) => Number(response.headers.get(name) || 0);
  const phases_ms = Object.entries(MILLISECONDS).map(([name, header]) => [name, number(header)]);
  return {
    vectors: (await response.json()).embeddings,
    tokens: number("X-Compute-Tokens"),
    total_ms: number("X-Total-Time"),
    phases_ms,
    cut_texts: number("X-Truncated-Texts"),
    cut_tokens: number("X-Truncated-Tokens"),
    unknown_tokens: number("X-Unknown-Tokens"),
    empty_texts: number("X-Empty-Texts"),
  };
}

export const info = async () => (await ask("info")).json();
