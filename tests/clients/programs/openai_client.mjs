// openai for JavaScript: see openai_client.py.
import OpenAI from "openai";

const [url, way] = process.argv.slice(2);
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const input = JSON.parse(Buffer.concat(chunks).toString());
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: process.env.KEY, maxRetries: 0 });
const options = way === "float" ? { encoding_format: "float" } : {};
const answer = await client.embeddings.create({ model: "any", input, ...options });
console.log(JSON.stringify(answer.data.map((one) => one.embedding)));
