// What is served: /info as a table.

import {by_id, make, row} from "./parts.js";

/** A value in words; objects as a table within. */
function shown(value) {
  if (value === null || value === "") return "–";
  if (Array.isArray(value)) return value.map(shown).join(", ");
  if (typeof value !== "object") return typeof value === "number" ? value.toLocaleString("en") : String(value);
  const rows = Object.entries(value).map(([name, one]) => row(name, shown(one)));
  return rows.length ? make("table", {}, make("tbody", {}, ...rows)) : "–";
}

export function show_facts(info) {
  by_id("facts").replaceChildren(...Object.entries(info).map(([name, value]) => row(name, shown(value))));
}
