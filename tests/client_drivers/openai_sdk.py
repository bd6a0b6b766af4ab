"""The openai SDK: Chat Completions and Responses."""

from __future__ import annotations

import functools
import json

import openai

from .blocking import Blocking
from .scenarios import CHAT_MODEL, PNG, QUESTION, RESPONSES_MODEL, SCHEMA, weather

Json = dict | list | str | int | None


@functools.cache
def connected(url: str, asynchronous: bool) -> openai.OpenAI:
    """Return a client that all drivers share, because it loads certificates when it is made."""
    make = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    return make(base_url=f"{url}/v1", api_key="none", timeout=30)


def client_of(url: str, key: str, asynchronous: bool, retries: int) -> openai.OpenAI:
    """Return a client, or one whose coroutines are run to their end."""
    client = connected(url, asynchronous).with_options(api_key=key, max_retries=retries)
    return Blocking(client) if asynchronous else client


def failure(error: openai.APIStatusError) -> Json:
    """Return what a client learns of an error."""
    return {"kind": type(error).__name__, "status": error.status_code, "body": error.body}


class OpenAIChat:
    """Chat Completions."""

    asynchronous = False

    def __init__(self, url: str, key: str) -> None:
        self.client = client_of(url, key, self.asynchronous, 2)
        self.strict_client = client_of(url, key, self.asynchronous, 0)

    def _ask(self, messages: list | str = QUESTION, client=None, **more):
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        create = (client or self.client).chat.completions.create
        return create(model=CHAT_MODEL, messages=messages, **more)

    def text(self) -> Json:
        """Ask once."""
        return self._ask(temperature=0.5, max_tokens=99).model_dump(mode="json")

    def stream(self) -> Json:
        """Ask once and read the stream with its usage."""
        chunks = self._ask(stream=True, stream_options={"include_usage": True})
        return [chunk.model_dump(mode="json") for chunk in chunks]

    def _tools(self, ask) -> Json:
        function = {"name": "weather", "parameters": SCHEMA, "strict": True}
        tools = [{"type": "function", "function": function}]
        messages: list = [{"role": "user", "content": QUESTION}]
        first = ask(messages, tools=tools)
        messages.append(first)
        for call in first["tool_calls"]:
            said = weather(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": said})
        return [first, ask(messages, tools=tools)]

    def tools(self) -> Json:
        """Two parallel calls and their results."""

        def ask(messages: list, **more) -> Json:
            return self._ask(messages, **more).choices[0].message.model_dump(exclude_unset=True)

        return self._tools(ask)

    def tools_stream(self) -> Json:
        """The same, gathered from streams."""

        def ask(messages: list, **more) -> Json:
            text, calls = "", {}
            for chunk in self._ask(messages, stream=True, **more):
                delta = chunk.choices[0].delta
                text += delta.content or ""
                for part in delta.tool_calls or []:
                    call = calls.setdefault(part.index, {"id": part.id, "type": "function"})
                    function = call.setdefault("function", {"name": "", "arguments": ""})
                    function["name"] += part.function.name or ""
                    function["arguments"] += part.function.arguments or ""
            made = {"tool_calls": list(calls.values())} if calls else {}
            return {"role": "assistant", "content": text} | made

        return self._tools(ask)

    def image(self) -> Json:
        """An image in the question."""
        url = {"url": f"data:image/png;base64,{PNG}"}
        content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": url}]
        return self._ask([{"role": "user", "content": content}]).model_dump(mode="json")

    def retry(self) -> Json:
        """A refusal for the rate, which the client retries itself."""
        return self._ask().model_dump(mode="json")

    def refused(self) -> Json:
        """An error that no client retries."""
        try:
            self._ask()
        except openai.BadRequestError as error:
            return failure(error)
        return None

    def overloaded(self) -> Json:
        """An error that would be retried, and is not."""
        try:
            self._ask(client=self.strict_client)
        except openai.InternalServerError as error:
            return failure(error)
        return None

    def abort(self) -> Json:
        """Leave in the middle of a stream."""
        stream = self._ask(stream=True)
        for _, _ in zip(range(3), stream, strict=False):
            pass
        stream.close()
        return None


class AsyncOpenAIChat(OpenAIChat):
    """Chat Completions with the asynchronous client."""

    asynchronous = True


class OpenAIResponses:
    """Responses."""

    asynchronous = False

    def __init__(self, url: str, key: str) -> None:
        self.client = client_of(url, key, self.asynchronous, 2)
        self.strict_client = client_of(url, key, self.asynchronous, 0)

    def _ask(self, given: list | str = QUESTION, client=None, **more):
        create = (client or self.client).responses.create
        return create(model=RESPONSES_MODEL, input=given, **more)

    def text(self) -> Json:
        """Ask twice; the second continues the stored first."""
        first = self._ask(instructions="Be brief.")
        second = self._ask("And now?", previous_response_id=first.id)
        return [one.model_dump(mode="json") for one in (first, second)]

    def stream(self) -> Json:
        """Ask once and read the events."""
        return [one.model_dump(mode="json") for one in self._ask(stream=True)]

    def _loop(self, ask, include: list | None = None) -> Json:
        tools = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}]
        more = {"include": include} if include else {}
        items: list = [{"role": "user", "content": QUESTION}]
        output = ask(items, tools=tools, store=False, **more)
        items += output
        for call in output:
            if call["type"] == "function_call":
                said = weather(**json.loads(call["arguments"]))
                done = {"type": "function_call_output", "call_id": call["call_id"]}
                items.append(done | {"output": said})
        return [output, ask(items, tools=tools, store=False, **more)]

    def tools(self) -> Json:
        """Two parallel calls and their results."""

        def ask(items: list, **more) -> Json:
            got = self._ask(items, **more).output
            return [item.model_dump(mode="json", exclude_unset=True) for item in got]

        return self._loop(ask)

    def tools_stream(self) -> Json:
        """The same, from streams."""

        def ask(items: list, **more) -> Json:
            return [
                event.item.model_dump(mode="json", exclude_unset=True)
                for event in self._ask(items, stream=True, **more)
                if event.type == "response.output_item.done"
            ]

        return self._loop(ask)

    def thinking(self) -> Json:
        """A reasoning item that goes back encrypted."""

        def ask(items: list, **more) -> Json:
            got = self._ask(items, **more).output
            return [item.model_dump(mode="json", exclude_unset=True) for item in got]

        return self._loop(ask, ["reasoning.encrypted_content"])

    def image(self) -> Json:
        """An image in the question."""
        url = f"data:image/png;base64,{PNG}"
        image = {"type": "input_image", "image_url": url, "detail": "auto"}
        content = [{"type": "input_text", "text": "What?"}, image]
        return self._ask([{"role": "user", "content": content}]).model_dump(mode="json")

    retry, refused = OpenAIChat.retry, OpenAIChat.refused
    overloaded, abort = OpenAIChat.overloaded, OpenAIChat.abort


class AsyncOpenAIResponses(OpenAIResponses):
    """Responses with the asynchronous client."""

    asynchronous = True
