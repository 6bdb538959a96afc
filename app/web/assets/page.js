// The page at /: each part of it is set up here, and does the rest by itself.

import {show_facts} from "./facts.js";
import {set_up_load} from "./load.js";
import {set_up_nearest} from "./nearest.js";
import {by_id, counted, lines, make, on_submit} from "./parts.js";
import {base, embed, info, key, set_up_key} from "./service.js";
import {map} from "./similarity.js";
import {SNIPPETS} from "./snippets.js";
import {phases, remarks} from "./timing.js";
import {tokens} from "./tokens.js";

const MAPPED = 30;
const facts = by_id("facts").dataset;

function draw(canvas, vector) {
  const pen = canvas.getContext("2d"), width = canvas.width / vector.length;
  const most = Math.max(...vector.map(Math.abs)) || 1;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  vector.forEach((number, place) => {
    const height = number / most * canvas.height / 2;
    pen.fillStyle = number < 0 ? "#c0504d" : "#4d86c4";
    pen.fillRect(place * width, canvas.height / 2 - Math.max(height, 0), Math.max(width - 0.5, 0.5), Math.abs(height));
  });
}

async function show_tokens(texts) {
  const node = by_id("tokens");
  try {
    node.replaceChildren(...await tokens(texts, {
      most: Number(facts.maxTokens), side: facts.cutSide, unknown_id: Number(facts.unknownId),
    }));
  } catch (error) {
    node.replaceChildren(make("p", {class: "bad"}, error.message));
  }
}

async function compare() {
  const texts = lines(by_id("texts").value), said = by_id("try-said");
  if (!texts.length) {
    said.textContent = "A sentence, please; each line is one.";
    return;
  }
  const began_ms = performance.now();
  const answer = await embed(texts);
  by_id("timing").replaceChildren(...phases(answer, performance.now() - began_ms));
  said.textContent = remarks(answer);
  const mapped = texts.slice(0, MAPPED);
  by_id("map").replaceChildren(map(mapped, answer.vectors.slice(0, MAPPED)));
  if (texts.length > MAPPED)
    said.textContent += ` The map shows the first ${MAPPED} of ${counted(texts.length, "text")}.`;
  by_id("found").hidden = false;
  draw(by_id("plot"), answer.vectors[0]);
  by_id("vector").textContent = JSON.stringify(answer.vectors[0]);
  await show_tokens(mapped);
}

function show_snippet() {
  const texts = lines(by_id("texts").value);
  by_id("snippet").textContent = SNIPPETS[by_id("language").value](
    {base: base(), key: key(), texts: texts.length ? texts : ["Hello"], model: facts.model});
}

async function copy() {
  try {
    await navigator.clipboard.writeText(by_id("snippet").textContent);
    by_id("copied").textContent = "Copied.";
  } catch {
    // Over plain HTTP a browser gives no page its clipboard: what is selected can be copied by hand.
    getSelection().selectAllChildren(by_id("snippet"));
    by_id("copied").textContent = "Selected; copy it with Ctrl+C.";
  }
}

function set_up_snippets() {
  by_id("language").append(...Object.keys(SNIPPETS).map((name) => make("option", {}, name)));
  for (const [node, event] of [[by_id("language"), "input"], [by_id("texts"), "input"], [document, "key"]])
    node.addEventListener(event, () => { by_id("copied").textContent = ""; show_snippet(); });
  by_id("copy").addEventListener("click", copy);
  show_snippet();
}

async function read_info() {
  try {
    show_facts(await info());
  } catch (error) {
    by_id("facts-said").textContent = error.message;
  }
}

set_up_key();
set_up_snippets();
set_up_nearest();
set_up_load();
on_submit(by_id("try"), by_id("try-said"), compare);
by_id("all-facts").addEventListener("toggle", (event) => { if (event.target.open) read_info(); });
