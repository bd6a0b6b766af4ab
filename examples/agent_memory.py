"""A LangChain agent whose window stays within 900 tokens, and which finds again what left it."""

from langchain.agents import create_agent
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage

from ctxmem.adapters.langchain import ContextMiddleware, token_counter


class Model(FakeMessagesListChatModel):
    """A stand-in for a model: it says what is written below, whatever it is asked."""

    def bind_tools(self, tools, **options):
        """Take the tools, as every chat model does."""
        return self


def read_log(day: int) -> str:
    """Read the log of a day."""
    return "\n".join(f"day {day}, {hour}:00 all quiet, port 80{day:02}" for hour in range(24))


def call(name, **arguments):
    """Return what a model says to call a tool."""
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"{name}{arguments}"}])


days = [call("read_log", day=day) for day in range(12)]
script = [*days, call("recall", query="day 3 port"), AIMessage("It was port 8003.")]
memory = ContextMiddleware(budget=900, mode="persistent", tool_result_tokens=200)
agent = create_agent(Model(responses=[*script]), tools=[read_log], middleware=[memory])

ask = "Read the logs. Which port was it on day 3?"
state = agent.invoke({"messages": [("user", ask)]}, {"recursion_limit": 99})
print(f"the state holds {token_counter(state['messages']):,} tokens, the model saw", end=" ")
print(f"{state['ctxmem']['tokens']:,} of {state['ctxmem']['budget']:,}")
print(f"{len(memory.evicted())} messages are in the page store; recalled from it:")
print(next(m for m in state["messages"] if m.type == "tool" and m.name == "recall").text[:70])
print(state["messages"][-1].text)
