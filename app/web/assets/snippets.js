// The call that the page makes, as people would write it.

const literal = (texts) => `[${texts.map((text) => JSON.stringify(text)).join(", ")}]`;
const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

const curl = ({base, key, texts}) => [
  `curl -X POST ${quoted(`${base}/predict`)}`,
  "-H 'Content-Type: application/json'",
  ...(key ? [`-H ${quoted(`Authorization: Bearer ${key}`)}`] : []),
  `-d ${quoted(`{"text": ${literal(texts)}}`)}`,
].join(" \\\n  ");

const in_python = (key) => (key ? `    headers={"Authorization": ${JSON.stringify(`Bearer ${key}`)}},\n` : "");

const requests = ({base, key, texts}) => `import requests

answer = requests.post(
    ${JSON.stringify(`${base}/predict`)},
${in_python(key)}    json={"text": ${literal(texts)}},
    timeout=30,
)
answer.raise_for_status()
vectors = answer.json()["embeddings"]
print(len(vectors), len(vectors[0]))
`;

const openai = ({base, key, texts, model}) => `from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(`${base}/v1`)}, api_key=${JSON.stringify(key || "none")})
answer = client.embeddings.create(
    model=${JSON.stringify(model)},
    input=${literal(texts)},
)
print(len(answer.data), len(answer.data[0].embedding))
`;

const fetched = ({base, key, texts}) => `const answer = await fetch(${JSON.stringify(`${base}/predict`)}, {
  method: "POST",
  headers: {"Content-Type": "application/json"${key ? `, "Authorization": ${JSON.stringify(`Bearer ${key}`)}` : ""}},
  body: JSON.stringify({text: ${literal(texts)}}),
});
if (!answer.ok) throw new Error(await answer.text());
const {embeddings} = await answer.json();
console.log(embeddings.length, embeddings[0].length);
`;

const openai_js = ({base, key, texts, model}) => `import OpenAI from "openai";

const client = new OpenAI({baseURL: ${JSON.stringify(`${base}/v1`)}, apiKey: ${JSON.stringify(key || "none")}});
const answer = await client.embeddings.create({
  model: ${JSON.stringify(model)},
  input: ${literal(texts)},
});
console.log(answer.data.length, answer.data[0].embedding.length);
`;

/** By their names in the page; each takes {base, key, texts, model}. */
export const SNIPPETS = {
  "curl": curl,
  "Python, requests": requests,
  "Python, openai": openai,
  "JavaScript, fetch": fetched,
  "JavaScript, openai": openai_js,
};
