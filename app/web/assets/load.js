// How the fleet is doing: read from /metrics while somebody looks, and kept for ten minutes.

import {Chart} from "./chart.js";
import {by_id} from "./parts.js";
import {buckets, parse, quantile, sum} from "./prometheus.js";
import {ask} from "./service.js";

const EVERY_MS = 2000, OVER_S = 600, LEAST_S = 60;
// Percentiles are of so many seconds.
const WINDOW_S = 10;
const DURATION = "bert_request_duration_seconds";

const charts = {
  rate: new Chart("Requests", "/s"),
  time: new Chart("Time", "ms"),
  queue: new Chart("In the queue", ""),
  busy: new Chart("Workers busy", ""),
  memory: new Chart("Memory", "MB"),
};
const series = {rate: {"": []}, time: {p50: [], p99: []}, queue: {"": []}, busy: {"": []}, memory: {"": []}};
const pages = [];
let began_s = null;

function add(name, now_s, values) {
  for (const [which, value] of Object.entries(values)) {
    const points = series[name][which];
    points.push([now_s, value]);
    while (points[0][0] < now_s - OVER_S) points.shift();
  }
  began_s ??= now_s;
  charts[name].draw(series[name], now_s, Math.min(OVER_S, Math.max(LEAST_S, now_s - began_s)));
}

function show(page, now_s) {
  const requests = sum(page, "bert_requests_total"), times = buckets(page, DURATION);
  // One second, or one hidden tab, ago.
  const [last, early] = [pages.at(-1), pages.find((one) => one.now_s >= now_s - WINDOW_S - 1)];
  const is_whole = last && requests >= last.requests && now_s - last.now_s < WINDOW_S;
  add("rate", now_s, {"": is_whole ? (requests - last.requests) / (now_s - last.now_s) : NaN});
  const of = (share) => (is_whole ? quantile(share, early.times, times) * 1000 : NaN);
  add("time", now_s, {p50: of(0.5), p99: of(0.99)});
  add("queue", now_s, {"": sum(page, "bert_queue_depth")});
  add("busy", now_s, {"": sum(page, "bert_workers_busy")});
  add("memory", now_s, {"": sum(page, "bert_worker_pss_bytes") / 1e6});
  pages.push({now_s, requests, times});
  while (pages[0].now_s < now_s - 2 * WINDOW_S) pages.shift();
  const [ready, workers] = [sum(page, "bert_workers_ready"), sum(page, "bert_workers")];
  by_id("load-said").className = ready < workers ? "bad" : "dim";
  by_id("load-said").textContent = `${ready} of ${workers} workers ready.`;
}

async function look() {
  if (document.hidden) return;
  const now_s = performance.now() / 1000;
  try {
    show(parse(await (await ask("metrics")).text()), now_s);
  } catch (error) {
    by_id("load-said").className = "bad";
    by_id("load-said").textContent = error.message;
    for (const name of Object.keys(series))
      add(name, now_s, Object.fromEntries(Object.keys(series[name]).map((which) => [which, NaN])));
  }
}

/** Begin once that part of the page is seen: a scrape costs the service 3 ms. */
export function set_up_load() {
  by_id("charts").replaceChildren(...Object.values(charts).map((chart) => chart.figure));
  for (const [name, chart] of Object.entries(charts)) chart.draw(series[name], 0, LEAST_S);
  let timer = 0;
  new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting || timer) return;
    timer = setInterval(look, EVERY_MS);
    look();
  }).observe(by_id("load"));
}
