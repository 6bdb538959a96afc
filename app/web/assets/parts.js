// Small things that every part of the pages is made with.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; of these, strings are text, and null is left out. */
export function make(tag, attributes = {}, ...children) {
  const is_drawn = ["svg", "path", "title", "line"].includes(tag);
  const node = is_drawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

export const by_id = (id) => document.getElementById(id);

/** A table's row of cells; the first is the head of its row. */
export const row = (head, ...cells) =>
  make("tr", {}, make("th", {scope: "row"}, head), ...cells.map((cell) => make("td", {}, cell)));

/** A number as people read it: three figures. */
export function figures(number) {
  if (!Number.isFinite(number)) return "–";
  if (number === 0 || Math.abs(number) >= 100) return Math.round(number).toLocaleString("en");
  return String(Number(number.toPrecision(3)));
}

export const counted = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

/** Lines with something in them. */
export const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** Run a form's work when it is sent, once at a time; what goes wrong is said in `said`. */
export function on_submit(form, said, work) {
  const button = form.querySelector("[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.className = "dim";
    try {
      await work();
    } catch (error) {
      said.className = "bad";
      said.textContent = error.message;
      if (!error.is_told) console.error(error);
      if (error.wants_key) document.addEventListener("key", () => form.requestSubmit(), {once: true});
    } finally {
      button.disabled = false;
    }
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}
