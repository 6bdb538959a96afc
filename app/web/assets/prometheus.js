// Prometheus' text, as far as the page needs it.

const SAMPLE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
// What orchestrators and Prometheus ask for.
const WATCHING = new Set(["/livez", "/readyz", "/health", "/ping", "/metrics"]);

/** Each metric's samples: [labels, value]. */
export function parse(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const [, name, labels, value] = SAMPLE.exec(line) || [];
    if (!name) continue;
    if (!found.has(name)) found.set(name, []);
    const named = Object.fromEntries([...(labels || "").matchAll(LABEL)].map(([, label, is]) => [label, is]));
    found.get(name).push([named, Number(value)]);
  }
  return found;
}

const is_asked_for = (labels) => !WATCHING.has(labels.route);

/** The sum of a metric's samples, but for probes and scrapes. */
export const sum = (page, name) =>
  (page.get(name) || []).reduce((total, [labels, value]) => total + (is_asked_for(labels) ? value : 0), 0);

/** Of a histogram, how many are at or below each bound. */
export function buckets(page, name) {
  const found = new Map();
  for (const [labels, value] of page.get(`${name}_bucket`) || [])
    if (is_asked_for(labels)) found.set(labels.le, (found.get(labels.le) || 0) + value);
  return found;
}

/** The quantile of what a histogram has counted between two pages, by interpolation as Prometheus does; NaN of none. */
export function quantile(share, before, after) {
  const counts = [...after].map(([bound, count]) =>
    [bound === "+Inf" ? Infinity : Number(bound), count - (before.get(bound) || 0)]);
  counts.sort(([one], [other]) => one - other);
  const wanted = share * (counts.at(-1)?.[1] || 0);
  if (!wanted) return NaN;
  let low = 0, below = 0;
  for (const [bound, count] of counts) {
    if (count >= wanted) return bound === Infinity ? low : low + (bound - low) * (wanted - below) / (count - below);
    [low, below] = [bound, count];
  }
  return low;
}
