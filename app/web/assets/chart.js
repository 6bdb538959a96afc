// A line over the last minutes.

import {figures, make} from "./parts.js";

const WIDTH = 300, HEIGHT = 80;

function line(points, most, from_s, over_s, name) {
  let path = "", is_on = false;
  for (const [when_s, value] of points) {
    if (!Number.isFinite(value)) { is_on = false; continue; }
    const x = (when_s - from_s) / over_s * WIDTH, y = HEIGHT - value / most * HEIGHT;
    path += `${is_on ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    is_on = true;
  }
  return make("path", {d: path || "M0 0", class: name});
}

/** A figure; `draw` has it show series by their names, each a list of [seconds, value]; NaN is a gap. */
export class Chart {
  constructor(title, unit) {
    this.title = title;
    this.unit = unit;
    this.now = make("b");
    this.most = make("span");
    this.svg = make("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img"});
    this.over = make("span");
    const ends = make("small", {}, this.most, this.over);
    this.figure = make("figure", {}, make("figcaption", {}, title, this.now), this.svg, ends);
  }

  draw(series, now_s, over_s) {
    const all = Object.values(series).flat().map(([, value]) => value).filter(Number.isFinite);
    const most = Math.max(...all, 0) || 1, unit = this.unit ? ` ${this.unit}` : "";
    const lines = Object.values(series).map((points, place) =>
      line(points, most, now_s - over_s, over_s, place ? "second" : "first"));
    this.svg.replaceChildren(...lines);
    const latest = Object.entries(series).map(([name, points]) => {
      const value = figures(points.at(-1)?.[1] ?? NaN);
      return name ? `${name} ${value}` : value;
    });
    this.now.textContent = latest.join(", ") + unit;
    this.most.textContent = `at most ${figures(Math.max(...all, 0))}${unit}`;
    this.over.textContent = over_s > 60 ? `the last ${Math.ceil(over_s / 60)} minutes` : "the last minute";
    this.svg.setAttribute("aria-label", `${this.title}: ${this.now.textContent}, ${this.most.textContent}`);
  }
}
