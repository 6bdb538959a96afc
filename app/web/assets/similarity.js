// How alike texts are: cosines, and a map of colours of them.

import {make} from "./parts.js";

const PAPER = [238, 243, 248], ALIKE = [18, 58, 99], OPPOSITE = [140, 45, 30];

const dot = (one, other) => one.reduce((sum, number, place) => sum + number * other[place], 0);

/** The cosine of each of `ones` with each of `others`. */
export function cosines(ones, others) {
  const lengths = (vectors) => vectors.map((vector) => Math.sqrt(dot(vector, vector)) || 1);
  const own = lengths(ones), their = lengths(others);
  return ones.map((one, i) => others.map((other, j) => dot(one, other) / own[i] / their[j]));
}

/** Red, green and blue of a cosine: from paper to dark blue, or to red below 0. */
export function colour(cosine) {
  const end = cosine < 0 ? OPPOSITE : ALIKE, share = Math.min(1, Math.abs(cosine));
  return PAPER.map((from, place) => Math.round(from + (end[place] - from) * share));
}

/** Black or white, whichever is read more easily there (WCAG's contrast). */
export function ink(rgb) {
  const [r, g, b] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 ? "#fff" : "#000";
}

const short = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

function cell(one, other, cosine) {
  const shown = make("td", {title: `“${one}” and “${other}”: ${cosine.toFixed(3)}`}, cosine.toFixed(2));
  const rgb = colour(cosine);
  shown.style.backgroundColor = `rgb(${rgb})`;
  shown.style.color = ink(rgb);
  return shown;
}

/** A table of texts against themselves. */
export function map(texts, vectors) {
  const found = cosines(vectors, vectors);
  const heads = texts.map((text, place) =>
    make("th", {scope: "col", title: text}, String(place + 1), make("span", {class: "unseen"}, ` ${short(text)}`)));
  const rows = texts.map((one, i) => make(
    "tr", {}, make("th", {scope: "row", title: one}, `${i + 1} ${short(one)}`),
    ...texts.map((other, j) => cell(one, other, found[i][j]))));
  return make(
    "table", {class: "map"}, make("caption", {}, "Cosine similarity, 1: the same direction"),
    make("thead", {}, make("tr", {}, make("td", {}), ...heads)), make("tbody", {}, ...rows));
}
