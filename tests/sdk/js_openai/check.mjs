// Checks our server with OpenAI's official SDK for JavaScript.
//
//     node check.mjs BASE_URL KEY
//
// Fails by an assertion; says "JS-OPENAI-OK" at the end.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, maxRetries: 0 });
const asking = (content) => ({ model: "gpt-4o", messages: [{ role: "user", content }] });
const parameters = {
  type: "object",
  properties: { a: { type: "integer" }, b: { type: "integer" } },
  required: ["a", "b"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "add", parameters } }];

const checks = {
  async "a whole answer"() {
    const answer = await client.chat.completions.create(asking("text"));
    assert.equal(answer.choices[0].message.content, "one two");
    assert.ok(answer.usage.total_tokens > 20);
    assert.match(answer._request_id, /^req_/);
  },

  async "a stream with its helper"() {
    const pieces = [];
    const stream = client.chat.completions.stream({
      ...asking("text"),
      stream_options: { include_usage: true },
    });
    stream.on("content", (piece) => pieces.push(piece));
    const final = await stream.finalChatCompletion();
    assert.deepEqual(pieces.filter(Boolean), ["one ", "two"]);
    assert.equal(final.choices[0].finish_reason, "stop");
    assert.ok((await stream.totalUsage()).prompt_tokens > 20);
  },

  async "parallel calls in a stream"() {
    const stream = client.chat.completions.stream({ ...asking("tools"), tools });
    const calls = (await stream.finalMessage()).tool_calls;
    const given = calls.map((call) => JSON.parse(call.function.arguments));
    assert.deepEqual(given, [{ a: 2, b: 3 }, { a: 4, b: 5 }]);
  },

  async "the tool runner"() {
    const add = {
      type: "function",
      function: {
        name: "add",
        parameters,
        parse: JSON.parse,
        function: ({ a, b }) => String(a + b),
      },
    };
    const runner = client.chat.completions.runTools({ ...asking("tool"), tools: [add] });
    assert.equal(await runner.finalContent(), "result 5");
  },

  async "legacy completions"() {
    const answer = await client.completions.create({ model: "gpt-4o", prompt: "text" });
    assert.equal(answer.choices[0].text, "one two");
  },

  async "the models"() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes("scripted-large"), ids.join());
  },

  async "errors with their codes"() {
    const codes = {
      limit: "rate_limit_exceeded",
      long: "context_length_exceeded",
      key: "invalid_api_key",
      model: "model_not_found",
    };
    for (const [word, code] of Object.entries(codes)) {
      await assert.rejects(client.chat.completions.create(asking(word)), { code });
    }
  },

  async "an error inside a stream"() {
    const stream = client.chat.completions.stream(asking("broken"));
    await assert.rejects(stream.finalChatCompletion(), /engine stopped/);
  },

  async "a wrong key"() {
    const stranger = client.withOptions({ apiKey: "wrong" });
    const asked = stranger.chat.completions.create(asking("text"));
    await assert.rejects(asked, OpenAI.AuthenticationError);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    console.error(`failed: ${name}`);
    throw error;
  }
}
console.log("JS-OPENAI-OK");
