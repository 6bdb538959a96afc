// What the model reads of texts: its tokens, what it does not know, what was cut.

import {counted, make} from "./parts.js";
import {ask} from "./service.js";

const SHOWN_TOKENS = 300;
const SAID = {unknown: "the vocabulary has no such word", cut: "cut off", special: "the model's own"};

function chip(text, piece, kind) {
  const shown = piece.special ? piece.text : new TextDecoder().decode(text.slice(piece.start, piece.stop));
  const unseen = kind ? make("span", {class: "unseen"}, ` (${kind})`) : null;
  return make("span", {class: kind, title: SAID[kind] || `token ${piece.id}`}, shown, unseen);
}

/** Kinds of a text's pieces, of which so many were cut on that side. */
function kinds(pieces, lost, side, unknown_id) {
  const own = pieces.filter((piece) => !piece.special).length;
  let number = -1;
  return pieces.map((piece) => {
    if (piece.special) return "special";
    number += 1;
    if (side === "left" ? number < lost : number >= own - lost) return "cut";
    return piece.id === unknown_id ? "unknown" : "";
  });
}

/** A paragraph for each text; `most` tokens are read of one, 0: all. */
export async function tokens(texts, {most, side, unknown_id}) {
  const pieces = await (await ask("tokenize", {inputs: texts})).json();
  return pieces.map((found, place) => {
    const bytes = new TextEncoder().encode(texts[place]);
    const lost = most ? Math.max(0, found.length - most) : 0;
    const kind = kinds(found, lost, side, unknown_id);
    const chips = found.slice(0, SHOWN_TOKENS).map((piece, number) => chip(bytes, piece, kind[number]));
    const rest = found.length > SHOWN_TOKENS ? `… and ${found.length - SHOWN_TOKENS} more` : "";
    const count = counted(found.length, "token") + (lost ? `, of which ${lost} were cut` : "");
    return make("div", {}, make("span", {class: "dim"}, `${place + 1} · ${count}`),
      make("p", {class: "tokens"}, ...chips, rest));
  });
}
