"""LlamaIndex's LLMs; they need openai before 3 and anthropic before 1."""

from __future__ import annotations

from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool

from .scenarios import CHAT_MODEL, PNG, QUESTION, weather

Json = dict | list | str | int | None
OLDER_CLAUDE = "claude-sonnet-4-5"  # the names that its table of windows has


class LlamaIndexOpenAI:
    """OpenAI."""

    def __init__(self, url: str, key: str) -> None:
        from llama_index.llms.openai import OpenAI

        self.llm = OpenAI(model=CHAT_MODEL, api_base=f"{url}/v1", api_key=key, timeout=30)

    def text(self) -> Json:
        """Ask once."""
        return self.llm.chat([ChatMessage(QUESTION)]).message.content

    def stream(self) -> Json:
        """Ask once and read the deltas."""
        return [one.delta for one in self.llm.stream_chat([ChatMessage(QUESTION)])]

    def tools(self) -> Json:
        """Two parallel calls and their results."""
        tool = FunctionTool.from_defaults(weather)
        messages = [ChatMessage(QUESTION)]
        first = self.llm.chat_with_tools(
            [tool], chat_history=messages, allow_parallel_tool_calls=True
        )
        calls = self.llm.get_tool_calls_from_response(first)
        messages.append(first.message)
        for call in calls:
            name = {"tool_call_id": call.tool_id}
            said = weather(**call.tool_kwargs)
            messages.append(ChatMessage(role="tool", content=said, additional_kwargs=name))
        last = self.llm.chat_with_tools([tool], chat_history=messages)
        shown = [[call.tool_id, call.tool_kwargs] for call in calls]
        return [shown, last.message.content]

    def image(self) -> Json:
        """An image in the question."""
        blocks = [TextBlock(text="What?"), ImageBlock(image=PNG, image_mimetype="image/png")]
        return self.llm.chat([ChatMessage(blocks=blocks)]).message.content

    def retry(self) -> Json:
        """A refusal for the rate, which the client retries itself."""
        return self.text()

    def refused(self) -> Json:
        """An error that no client retries."""
        try:
            self.text()
        except Exception as error:
            return {"kind": type(error).__name__, "text": str(error)}
        return None


class LlamaIndexAnthropic(LlamaIndexOpenAI):
    """Anthropic."""

    def __init__(self, url: str, key: str) -> None:
        from llama_index.llms.anthropic import Anthropic

        self.llm = Anthropic(model=OLDER_CLAUDE, base_url=url, api_key=key, max_tokens=2000)
