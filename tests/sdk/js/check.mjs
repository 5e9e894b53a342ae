// Checks our server with the official SDK for JavaScript.
//
//     node check.mjs BASE_URL KEY
//
// Fails by an assertion; says "JS-SDK-OK" at the end.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const asking = (content) => ({
  model: "claude-sonnet-5-5",
  max_tokens: 50,
  messages: [{ role: "user", content }],
});
const textOf = (message) => message.content.map((block) => block.text ?? "").join("");
const numbers = {
  type: "object",
  properties: { a: { type: "integer" }, b: { type: "integer" } },
  required: ["a", "b"],
  additionalProperties: false,
};

const checks = {
  async "a whole answer"() {
    const message = await client.messages.create(asking("text"));
    assert.equal(textOf(message), "one two");
    assert.equal(message.usage.input_tokens, 21);
  },

  async "a stream with its helper"() {
    const pieces = [];
    const stream = client.messages.stream(asking("text"));
    stream.on("text", (piece) => pieces.push(piece));
    const final = await stream.finalMessage();
    assert.deepEqual(pieces, ["one ", "two"]);
    assert.equal(final.stop_reason, "end_turn");
    assert.equal(final.usage.output_tokens, 7);
  },

  async "a tool call in a stream"() {
    const tool = { name: "add", description: "Adds", input_schema: numbers };
    const final = await client.messages.stream({ ...asking("tool"), tools: [tool] }).finalMessage();
    assert.equal(final.stop_reason, "tool_use");
    assert.deepEqual(final.content.at(-1).input, { a: 2, b: 3 });
  },

  async "the tool runner, which falls back from a thread to the whole history"() {
    const add = betaTool({
      name: "add",
      description: "Adds two numbers",
      inputSchema: numbers,
      run: ({ a, b }) => String(a + b),
    });
    const final = await client.beta.messages.toolRunner({ ...asking("tool"), tools: [add] });
    assert.equal(textOf(final), "result 5");
  },

  async "structured output"() {
    const format = jsonSchemaOutputFormat({
      type: "object",
      properties: { number: { type: "integer" } },
      required: ["number"],
      additionalProperties: false,
    });
    const message = await client.messages.parse({ ...asking("json"), output_config: { format } });
    assert.deepEqual(message.parsed_output, { number: 42 });
  },

  async "counting tokens"() {
    const { max_tokens, ...question } = asking("text");
    assert.ok((await client.messages.countTokens(question)).input_tokens > 0);
  },

  async "the models, page by page"() {
    const ids = [];
    for await (const model of client.models.list({ limit: 2 })) ids.push(model.id);
    assert.ok(ids.includes("scripted-large"), ids.join());
    assert.equal((await client.models.retrieve("scripted-large")).id, "scripted-large");
    await assert.rejects(client.models.retrieve("no-such-model"), Anthropic.NotFoundError);
  },

  async "a rate limit, with the id of its request"() {
    await assert.rejects(client.messages.create(asking("limit")), (error) => {
      assert.ok(error instanceof Anthropic.RateLimitError);
      assert.match(error.requestID, /^req_/);
      return true;
    });
  },

  async "an error inside a stream"() {
    const stream = client.messages.stream(asking("broken"));
    await assert.rejects(stream.finalMessage(), /engine stopped/);
  },

  async "a retry after a rate limit"() {
    const patient = client.withOptions({ maxRetries: 2 });
    assert.equal(textOf(await patient.messages.create(asking("once"))), "one two");
  },

  async "a wrong key"() {
    const stranger = new Anthropic({ baseURL, apiKey: "wrong", maxRetries: 0 });
    await assert.rejects(stranger.messages.create(asking("text")), Anthropic.AuthenticationError);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    console.error(`FAILED: ${name}`);
    throw error;
  }
}
console.log(`JS-SDK-OK ${Object.keys(checks).length} checks`);
