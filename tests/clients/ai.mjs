// npm `ai` with both providers; the variable AI_PROVIDER says which.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { PNG, QUESTION, main, weather } from "./scenarios.mjs";

const models = {
  chat: (url, key) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat("gpt-4o-mini"),
  responses: (url, key) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses("gpt-5"),
  anthropic: (url, key) => createAnthropic({ baseURL: `${url}/v1`, apiKey: key })("claude-sonnet-5"),
};
const parameters = z.object({ city: z.string() });
const tools = { weather: tool({ description: "Weather.", inputSchema: parameters, execute: weather }) };
const steps = (all) =>
  all.map(({ text, toolCalls, finishReason }) => [
    text, finishReason, toolCalls.map(({ toolCallId, input }) => [toolCallId, input]),
  ]);
const failure = (error) => ({ name: error.name, status: error.statusCode, body: error.responseBody });

await main((url, key) => {
  const model = models[process.env.AI_PROVIDER](url, key);
  const shown = async (more) => {
    const { text, usage, finishReason } = await generateText({ model, prompt: QUESTION, ...more });
    return { text, usage, finishReason };
  };
  return {
    text: () => shown(),
    stream: async () => {
      const parts = [];
      for await (const part of streamText({ model, prompt: QUESTION }).textStream) parts.push(part);
      return parts;
    },
    tools: async () =>
      steps((await generateText({ model, prompt: QUESTION, tools, stopWhen: stepCountIs(3) })).steps),
    tools_stream: async () => {
      const result = streamText({ model, prompt: QUESTION, tools, stopWhen: stepCountIs(3) });
      await result.consumeStream();
      return steps(await result.steps);
    },
    image: () => {
      const image = { type: "image", image: Buffer.from(PNG, "base64"), mediaType: "image/png" };
      return shown({ prompt: undefined, messages: [{ role: "user", content: [{ type: "text", text: "What?" }, image] }] });
    },
    retry: () => shown(),
    refused: () => shown().catch(failure),
    abort: async () => {
      const controller = new AbortController();
      const { textStream } = streamText({ model, prompt: QUESTION, abortSignal: controller.signal, onError() {} });
      for await (const _ of textStream) { controller.abort(); break; }
      return null;
    },
  };
});
