"""All drivers by name."""

from __future__ import annotations

import importlib

DRIVERS = {
    "OpenAIChat": "openai_sdk",
    "AsyncOpenAIChat": "openai_sdk",
    "OpenAIResponses": "openai_sdk",
    "AsyncOpenAIResponses": "openai_sdk",
    "AnthropicMessages": "anthropic_sdk",
    "AsyncAnthropicMessages": "anthropic_sdk",
    "LangChainOpenAI": "langchain_models",
    "LangChainResponses": "langchain_models",
    "LangChainAnthropic": "langchain_models",
    "LiteLLMOpenAI": "lite_llm",
    "LiteLLMAnthropic": "lite_llm",
    "LlamaIndexOpenAI": "llama_index_models",
    "LlamaIndexAnthropic": "llama_index_models",
}


def run(driver: str, url: str, keys: dict[str, str]) -> dict:
    """Return what a client got in scenarios, each with its key, as JSON values."""
    module = importlib.import_module(f"client_drivers.{DRIVERS[driver]}")
    make = getattr(module, driver)
    return {scenario: getattr(make(url, key), scenario)() for scenario, key in keys.items()}
