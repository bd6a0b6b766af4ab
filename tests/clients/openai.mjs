// npm `openai`.
import OpenAI from "openai";
import { PNG, QUESTION, SCHEMA, main, weather } from "./scenarios.mjs";

const failure = (error) => ({ kind: error.constructor.name, status: error.status, body: error.error });

await main((url, key) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 2 });
  const model = "gpt-4o-mini";
  const ask = (more = {}) =>
    client.chat.completions.create({ model, messages: [{ role: "user", content: QUESTION }], ...more });
  const tools = [{ type: "function", function: { name: "weather", parameters: SCHEMA } }];
  const loop = async (once) => {
    const messages = [{ role: "user", content: QUESTION }];
    const first = await once(messages);
    messages.push(first);
    for (const call of first.tool_calls) {
      const content = weather(JSON.parse(call.function.arguments));
      messages.push({ role: "tool", tool_call_id: call.id, content });
    }
    return [first, await once(messages)];
  };
  return {
    text: () => ask(),
    stream: async () => {
      const chunks = [];
      const options = { stream: true, stream_options: { include_usage: true } };
      for await (const chunk of await ask(options)) chunks.push(chunk);
      return chunks;
    },
    tools: () => loop(async (messages) => (await ask({ messages, tools })).choices[0].message),
    tools_stream: () =>
      loop(async (messages) => {
        const stream = client.chat.completions.stream({ model, messages, tools });
        const { role, content, tool_calls } = await stream.finalMessage();
        return { role, content, tool_calls };
      }),
    image: () => {
      const image = { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } };
      return ask({ messages: [{ role: "user", content: [{ type: "text", text: "What?" }, image] }] });
    },
    retry: () => ask(),
    refused: () => ask().catch(failure),
    overloaded: () =>
      client.withOptions({ maxRetries: 0 }).chat.completions
        .create({ model, messages: [{ role: "user", content: QUESTION }] }).catch(failure),
    abort: async () => {
      const stream = await ask({ stream: true });
      for await (const _ of stream) break;
      return null;
    },
    responses: async () => {
      const first = await client.responses.create({ model: "gpt-5", input: QUESTION });
      const events = [];
      const options = { previous_response_id: first.id, stream: true };
      for await (const event of await client.responses.create({ model: "gpt-5", input: "And now?", ...options }))
        events.push(event);
      return [first, events];
    },
  };
});
