// Node's http with an agent that keeps connections. Prints the status of each answer whose JSON could be read.
import http from "node:http";

const [url] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const json = { "Content-Type": "application/json" };
const ask = (path, body, headers) =>
  new Promise((resolve, reject) => {
    const request = http.request(url + path, { method: "POST", agent, headers }, async (answer) => {
      let text = "";
      for await (const part of answer) text += part;
      JSON.parse(text);
      resolve(answer.statusCode);
    });
    request.on("error", reject);
    request.end(body);
  });
console.log(await ask("/predict", "a".repeat(9_000_000), json));
console.log(await ask("/nosuch", "a".repeat(300_000), json));
console.log(await ask("/predict", "a".repeat(300_000), { "Content-Type": "text/plain" }));
console.log(await ask("/predict", '{"text": "Hello"}', json));
console.log(await ask("/predict", '{"text": "Hello"}', json));
agent.destroy();
