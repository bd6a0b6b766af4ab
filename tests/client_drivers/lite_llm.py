"""LiteLLM's completion, to OpenAI and to Anthropic."""

from __future__ import annotations

import json
import os

from .scenarios import CHAT_MODEL, CLAUDE, PNG, QUESTION, SCHEMA, weather

Json = dict | list | str | int | None


class LiteLLMOpenAI:
    """To OpenAI."""

    model, path = f"openai/{CHAT_MODEL}", "/v1"

    def __init__(self, url: str, key: str) -> None:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network for prices
        import litellm

        self.litellm = litellm
        self.options = {"model": self.model, "api_base": url + self.path, "api_key": key}

    def _ask(self, messages: list | str = QUESTION, **more):
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return self.litellm.completion(messages=messages, **self.options, **more)

    def text(self) -> Json:
        """Ask once."""
        answer = self._ask()
        return [answer.choices[0].message.content, {"usage": answer.usage.model_dump(mode="json")}]

    def stream(self) -> Json:
        """Ask once and read the chunks."""
        return [chunk.choices[0].delta.content for chunk in self._ask(stream=True)]

    def _tools(self, ask) -> Json:
        tools = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
        messages: list = [{"role": "user", "content": QUESTION}]
        first = ask(messages, tools)
        messages.append(first)
        for call in first["tool_calls"]:
            said = weather(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": said})
        return [first, ask(messages, tools)]

    def tools(self) -> Json:
        """Two parallel calls and their results."""

        def ask(messages: list, tools: list) -> Json:
            message = self._ask(messages, tools=tools).choices[0].message.model_dump()
            return {name: message[name] for name in ("role", "content", "tool_calls")}

        return self._tools(ask)

    def tools_stream(self) -> Json:
        """The same, from streams."""

        def ask(messages: list, tools: list) -> Json:
            chunks = list(self._ask(messages, tools=tools, stream=True))
            message = self.litellm.stream_chunk_builder(chunks).choices[0].message.model_dump()
            return {name: message[name] for name in ("role", "content", "tool_calls")}

        return self._tools(ask)

    def image(self) -> Json:
        """An image in the question."""
        url = {"url": f"data:image/png;base64,{PNG}"}
        content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": url}]
        return self._ask([{"role": "user", "content": content}]).choices[0].message.content

    def retry(self) -> Json:
        """A refusal for the rate, which the client retries itself."""
        return self._ask(num_retries=2).choices[0].message.content

    def refused(self) -> Json:
        """An error that no client retries."""
        try:
            self._ask()
        except self.litellm.BadRequestError as error:
            return {"kind": type(error).__name__, "text": str(error)}
        return None


class LiteLLMAnthropic(LiteLLMOpenAI):
    """To Anthropic."""

    model, path = f"anthropic/{CLAUDE}", ""
