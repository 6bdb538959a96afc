// A small search: which of some lines are nearest to a sentence.

import {by_id, counted, figures, lines, make, on_submit} from "./parts.js";
import {embed} from "./service.js";
import {cosines} from "./similarity.js";

export const MOST_LINES = 500;
const AT_ONCE = 64, SHOWN = 20;
const known = new Map();

/** Vectors of texts; of those that were asked for before, what was answered then. */
async function vectors_of(texts, say) {
  const missing = [...new Set(texts)].filter((text) => !known.has(text));
  for (let begin = 0; begin < missing.length; begin += AT_ONCE) {
    say(`${begin} of ${counted(missing.length, "line")} …`);
    const part = missing.slice(begin, begin + AT_ONCE);
    const {vectors} = await embed(part);
    part.forEach((text, place) => known.set(text, vectors[place]));
  }
  return texts.map((text) => known.get(text));
}

function entry([text, cosine]) {
  const share = Math.max(0, cosine).toFixed(3);
  const bar = make("meter", {min: "0", max: "1", value: share, "aria-label": `similarity ${share}`});
  return make("li", {}, bar, `${cosine.toFixed(3)} `, make("span", {}, text));
}

export function set_up_nearest() {
  const said = by_id("nearest-said"), ranks = by_id("ranks");
  document.addEventListener("key", () => known.clear());
  on_submit(by_id("nearest"), said, async () => {
    const texts = lines(by_id("lines").value), wanted = by_id("wanted").value.trim();
    ranks.replaceChildren();
    if (!wanted || !texts.length) {
      said.textContent = "A sentence, and some lines to search, please.";
      return;
    }
    if (texts.length > MOST_LINES) {
      said.textContent = `These are ${counted(texts.length, "line")}; ${MOST_LINES} can be searched here.`;
      return;
    }
    const began_ms = performance.now();
    const [asked, ...found] = await vectors_of([wanted, ...texts], (text) => { said.textContent = text; });
    const [scores] = cosines([asked], found);
    const ranked = texts.map((text, place) => [text, scores[place]]).sort((one, other) => other[1] - one[1]);
    ranks.replaceChildren(...ranked.slice(0, SHOWN).map(entry));
    const took = figures(performance.now() - began_ms);
    const shown = Math.min(SHOWN, texts.length);
    said.textContent = `${counted(texts.length, "line")} in ${took} ms, the nearest ${shown} first.`;
  });
}
