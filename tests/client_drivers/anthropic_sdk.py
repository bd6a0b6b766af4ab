"""The anthropic SDK: Messages and the count of tokens."""

from __future__ import annotations

import functools

import anthropic

from .blocking import Blocking
from .scenarios import CLAUDE, PNG, QUESTION, SCHEMA, weather

Json = dict | list | str | int | None
MARK = {"type": "ephemeral"}
TOOLS = [{"name": "weather", "description": "Weather of a city.", "input_schema": SCHEMA}]


@functools.cache
def connected(url: str, asynchronous: bool) -> anthropic.Anthropic:
    """Return a client that all drivers share, because it loads certificates when it is made."""
    make = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
    return make(base_url=url, api_key="none", timeout=30)


class AnthropicMessages:
    """Messages."""

    asynchronous = False

    def __init__(self, url: str, key: str) -> None:
        self.client = self._client(url, key, 2)
        self.strict_client = self._client(url, key, 0)

    def _client(self, url: str, key: str, retries: int):
        client = connected(url, self.asynchronous)
        client = client.with_options(api_key=key, max_retries=retries)
        return Blocking(client) if self.asynchronous else client

    def _options(self, messages: list | str = QUESTION, **more) -> dict:
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return {"model": CLAUDE, "max_tokens": 2000, "messages": messages} | more

    def _ask(self, messages: list | str = QUESTION, client=None, **more):
        return (client or self.client).messages.create(**self._options(messages, **more))

    def text(self) -> Json:
        """Count the tokens, ask, and list the models."""
        counted = self.client.messages.count_tokens(
            model=CLAUDE, messages=[{"role": "user", "content": QUESTION}]
        )
        system = [{"type": "text", "text": "Be brief.", "cache_control": MARK}]
        answer = self._ask(system=system)
        models = [model.id for model in self.client.models.list().data]
        return [counted.model_dump(mode="json"), answer.model_dump(mode="json"), models]

    def stream(self) -> Json:
        """Ask once and read the events, those that the client makes of them included."""
        with self.client.messages.stream(**self._options()) as stream:
            return [event.model_dump(mode="json") for event in stream]

    def _loop(self, ask, **more) -> Json:
        messages: list = [{"role": "user", "content": QUESTION}]
        first = ask(messages, tools=TOOLS, **more)
        messages.append({"role": "assistant", "content": first})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": block["id"],
                "content": [{"type": "text", "text": weather(**block["input"])}],
            }
            for block in first
            if block["type"] == "tool_use"
        ]
        results[-1]["cache_control"] = MARK
        messages.append({"role": "user", "content": results})
        return [first, ask(messages, tools=TOOLS, **more)]

    def _content(self, messages: list, **more) -> Json:
        got = self._ask(messages, **more).content
        return [block.model_dump(mode="json", exclude_unset=True) for block in got]

    def _streamed(self, messages: list, **more) -> Json:
        with self.client.messages.stream(**self._options(messages, **more)) as stream:
            for _ in stream:
                pass
            got = stream.get_final_message().content
        kept = {"type", "text", "id", "name", "input", "thinking", "signature"}
        return [block.model_dump(mode="json", include=kept) for block in got]

    def tools(self) -> Json:
        """Two parallel calls and their results."""
        return self._loop(self._content)

    def tools_stream(self) -> Json:
        """The same, from streams."""
        return self._loop(self._streamed)

    def thinking(self) -> Json:
        """A thought that goes back with its signature, whole and from a stream."""
        thinking = {"type": "enabled", "budget_tokens": 1024}
        return self._loop(self._streamed, thinking=thinking)

    def image(self) -> Json:
        """An image in the question."""
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        content = [{"type": "image", "source": source}, {"type": "text", "text": "What?"}]
        return self._ask([{"role": "user", "content": content}]).model_dump(mode="json")

    def retry(self) -> Json:
        """A refusal for the rate, which the client retries itself."""
        return self._ask().model_dump(mode="json")

    def refused(self) -> Json:
        """An error that no client retries."""
        try:
            self._ask()
        except anthropic.BadRequestError as error:
            return {"kind": type(error).__name__, "status": error.status_code, "body": error.body}
        return None

    def overloaded(self) -> Json:
        """An error that would be retried, and is not."""
        try:
            self._ask(client=self.strict_client)
        except anthropic.APIStatusError as error:
            return {"kind": type(error).__name__, "status": error.status_code, "body": error.body}
        return None

    def abort(self) -> Json:
        """Leave in the middle of a stream."""
        stream = self._ask(stream=True)
        for _, _ in zip(range(3), stream, strict=False):
            pass
        stream.close()
        return None


class AsyncAnthropicMessages(AnthropicMessages):
    """Messages with the asynchronous client."""

    asynchronous = True
