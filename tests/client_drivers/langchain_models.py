"""LangChain's chat models: langchain-openai (both APIs) and langchain-anthropic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import reduce

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool

from .scenarios import CHAT_MODEL, CLAUDE, PNG, QUESTION, RESPONSES_MODEL
from .scenarios import weather as weather_of

Json = dict | list | str | int | None


@tool
def weather(city: str) -> str:
    """Say the weather of a city."""
    return weather_of(city)


class _LangChain(ABC):
    """What is the same for all models."""

    def __init__(self, url: str, key: str) -> None:
        self.model = self._model(url, key)
        self.offered = self.model.bind_tools([weather])

    @abstractmethod
    def _model(self, url: str, key: str):
        """Return the framework's model."""

    def _shown(self, message) -> Json:
        calls = [{"id": one["id"], "args": one["args"]} for one in message.tool_calls]
        usage = {"usage": dict(message.usage_metadata or {})}
        return {"text": message.text, "calls": calls} | usage

    def text(self) -> Json:
        """Ask once."""
        return self._shown(self.model.invoke(QUESTION))

    def stream(self) -> Json:
        """Ask once and read the chunks."""
        return [chunk.text for chunk in self.model.stream(QUESTION)]

    def _tools(self, ask) -> Json:
        messages: list = [HumanMessage(QUESTION)]
        first = ask(messages)
        messages.append(first)
        messages += [
            ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
            for call in first.tool_calls
        ]
        return [self._shown(first), self._shown(ask(messages))]

    def tools(self) -> Json:
        """Two parallel calls and their results."""
        return self._tools(self.offered.invoke)

    def tools_stream(self) -> Json:
        """The same, from streams."""
        return self._tools(
            lambda messages: reduce(lambda a, b: a + b, self.offered.stream(messages))
        )

    def image(self) -> Json:
        """An image in the question."""
        image = {"type": "image", "base64": PNG, "mime_type": "image/png"}
        content = [{"type": "text", "text": "What?"}, image]
        return self._shown(self.model.invoke([HumanMessage(content)]))

    def retry(self) -> Json:
        """A refusal for the rate, which the client retries itself."""
        return self._shown(self.model.invoke(QUESTION))

    def refused(self) -> Json:
        """An error that no client retries."""
        try:
            self.model.invoke(QUESTION)
        except Exception as error:
            return {"kind": type(error).__name__, "text": str(error)}
        return None

    def abort(self) -> Json:
        """Leave in the middle of a stream."""
        stream = self.model.stream(QUESTION)
        next(stream), next(stream)
        stream.close()
        return None


class LangChainOpenAI(_LangChain):
    """ChatOpenAI on Chat Completions."""

    def _model(self, url: str, key: str):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model=CHAT_MODEL, base_url=f"{url}/v1", api_key=key, timeout=30)


class LangChainResponses(_LangChain):
    """ChatOpenAI on Responses."""

    def _model(self, url: str, key: str):
        from langchain_openai import ChatOpenAI

        options = {"use_responses_api": True, "timeout": 30}
        return ChatOpenAI(model=RESPONSES_MODEL, base_url=f"{url}/v1", api_key=key, **options)


class LangChainAnthropic(_LangChain):
    """ChatAnthropic."""

    def _model(self, url: str, key: str):
        from langchain_anthropic import ChatAnthropic

        return ChatAnthropic(model=CLAUDE, base_url=url, api_key=key, max_tokens=2000)
