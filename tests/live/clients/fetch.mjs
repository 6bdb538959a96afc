// Node's fetch, which keeps connections. Prints the status of each answer whose JSON could be read.
const [url] = process.argv.slice(2);
const json = { "Content-Type": "application/json" };
const asks = [
  ["/predict", "a".repeat(9_000_000), json],
  ["/nosuch", "a".repeat(300_000), json],
  ["/predict", "a".repeat(300_000), { "Content-Type": "text/plain" }],
  ["/predict", '{"text": "Hello"}', json],
  ["/predict", '{"text": "Hello"}', json],
];
for (const [path, body, headers] of asks) {
  const answer = await fetch(url + path, { method: "POST", body, headers });
  await answer.json();
  console.log(answer.status);
}
