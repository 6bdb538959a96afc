// Where a request's time went.

import {counted, figures, make} from "./parts.js";

/** A bar of the phases, and the same in words. */
export function phases(answer, round_trip_ms) {
  const parts = answer.phases_ms.map(([name, ms], place) => ({name, ms, place}));
  const bar = make("div", {class: "phases", "aria-hidden": "true"}, ...parts.map(({ms, place}) => {
    const part = make("i", {class: `p${place}`});
    part.style.flexGrow = String(ms);
    return part;
  }));
  const legend = make("ul", {class: "legend"}, ...parts.map(({name, ms, place}) =>
    make("li", {}, make("i", {class: `p${place}`}), `${name} ${figures(ms)} ms`)));
  const browser = `; ${figures(round_trip_ms)} as this browser saw it`;
  const total = make("p", {}, `${counted(answer.tokens, "token")} in ${figures(answer.total_ms)} ms${browser}`);
  return [total, bar, legend];
}

/** What a vector does not show of its text, in sentences. */
export function remarks(answer) {
  const told = [];
  if (answer.cut_texts)
    told.push(
      `${counted(answer.cut_texts, "text")} had more tokens than the model reads: ${answer.cut_tokens} were cut.`);
  if (answer.unknown_tokens)
    told.push(`${counted(answer.unknown_tokens, "token")} stand for what the model's vocabulary has not.`);
  if (answer.empty_texts)
    told.push(`${counted(answer.empty_texts, "text")} without any token: all such have the same vector.`);
  return told.join(" ");
}
