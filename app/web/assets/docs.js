// The page at /docs: openapi.json as people read it.

import {by_id, make, row} from "./parts.js";

const main = document.querySelector("main");
const root = new URL(main.dataset.root || ".", location.href).href;

const whole = (api, schema) => (schema?.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema || {});

function kind(schema) {
  const any = schema.anyOf || schema.oneOf;
  if (any) return any.map(kind).join(" or ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(", ");
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `list of (${kind(schema.items || {})})`;
  return schema.type || "anything";
}

function table(heads, rows) {
  const cells = heads.map((head) => make("th", {scope: "col"}, head));
  return make("div", {class: "wide"}, make("table", {}, make("thead", {}, make("tr", {class: "dim"}, ...cells)),
    make("tbody", {}, ...rows)));
}

function keys(api, schema) {
  const found = whole(api, schema), any = found.anyOf || found.oneOf;
  if (any) return make("div", {}, ...any.flatMap((one, place) => [place ? make("p", {}, "or:") : "", keys(api, one)]));
  const must = new Set(found.required || []);
  const rows = Object.entries(found.properties || {}).map(([name, one]) =>
    row(name, kind(one), must.has(name) ? "required" : `default ${JSON.stringify(one.default ?? null)}`));
  return table(["key", "type", "without it"], rows);
}

function example(path, body) {
  const address = new URL(path.slice(1), root).href;
  const json = JSON.stringify(body.example).replaceAll("'", String.raw`'\''`);
  return make("pre", {tabindex: "0"},
    `curl -X POST ${address} -H 'Content-Type: application/json' \\\n  -d '${json}'`);
}

function entry(api, path, method, told) {
  const line = [make("b", {}, method.toUpperCase()), make("code", {}, path), make("span", {}, told.summary)];
  const node = make("details", {}, make("summary", {}, ...line));
  if (told.description) node.append(make("p", {}, told.description));
  const body = told.requestBody?.content["application/json"];
  if (body) node.append(make("p", {}, "takes JSON:"), keys(api, body.schema));
  if (body?.example) node.append(example(path, body));
  const answers = Object.entries(told.responses).map(([status, one]) => {
    const [type, content] = Object.entries(one.content || {})[0] || ["nothing"];
    return row(status, one.description, type === "application/json" ? kind(content.schema) : type);
  });
  node.append(make("p", {}, "answers:"), table(["status", "when", "what"], answers));
  return node;
}

function show(api) {
  by_id("about").textContent = api.info.description;
  const sections = Object.fromEntries(api.tags.map((tag) => [tag.name, make("section", {}, make("h2", {}, tag.name))]));
  main.append(...Object.values(sections));
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, told] of Object.entries(methods))
      sections[told.tags[0]].append(entry(api, path, method, told));
}

try {
  show(await (await fetch(new URL("openapi.json", root))).json());
} catch (error) {
  by_id("about").textContent = `No description: ${error.message}`;
}
