// npm `@anthropic-ai/sdk`.
import Anthropic from "@anthropic-ai/sdk";
import { PNG, QUESTION, SCHEMA, main, weather } from "./scenarios.mjs";

const failure = (error) => ({ kind: error.constructor.name, status: error.status, body: error.error });

await main((url, key) => {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 2 });
  const asked = (more = {}) => ({
    model: "claude-sonnet-5",
    max_tokens: 2000,
    messages: [{ role: "user", content: QUESTION }],
    ...more,
  });
  const ask = (more) => client.messages.create(asked(more));
  const tools = [{ name: "weather", description: "Weather.", input_schema: SCHEMA }];
  const loop = async (once) => {
    const messages = [{ role: "user", content: QUESTION }];
    const first = await once(messages);
    messages.push({ role: "assistant", content: first });
    const content = first
      .filter((block) => block.type === "tool_use")
      .map((block) => ({ type: "tool_result", tool_use_id: block.id, content: weather(block.input) }));
    messages.push({ role: "user", content });
    return [first, await once(messages)];
  };
  const streamed = async (more) => (await client.messages.stream(asked(more)).finalMessage()).content;
  const thinking = { type: "enabled", budget_tokens: 1024 };
  return {
    text: async () => {
      const { model, messages } = asked();
      return [await client.messages.countTokens({ model, messages }), await ask(), (await client.models.list()).data];
    },
    stream: async () => {
      const events = [];
      for await (const event of await ask({ stream: true })) events.push(event);
      return events;
    },
    tools: () => loop(async (messages) => (await ask({ messages, tools })).content),
    tools_stream: () => loop((messages) => streamed({ messages, tools })),
    thinking: () => loop((messages) => streamed({ messages, tools, thinking })),
    image: () => {
      const source = { type: "base64", media_type: "image/png", data: PNG };
      return ask({ messages: [{ role: "user", content: [{ type: "image", source }, { type: "text", text: "What?" }] }] });
    },
    retry: () => ask(),
    refused: () => ask().catch(failure),
    overloaded: () => client.withOptions({ maxRetries: 0 }).messages.create(asked()).catch(failure),
    abort: async () => {
      const stream = await ask({ stream: true });
      for await (const _ of stream) break;
      return null;
    },
  };
});
