"""Other people's traces: files of any known format in, events out.

events       what a trace says, whoever wrote it: what was retrieved, what a model was asked
records      bytes to JSON records: lines, documents, gzip, folders, standard input, Parquet
attrs        attributes of spans, flattened or nested, as plain values
messages     messages, answers and tools without what is wrapped around them; passages, usage
requests     logs of requests: OpenAI, Anthropic, Gemini, Bedrock, LiteLLM, Helicone
transcripts  of Claude Code, Codex, Gemini CLI
spans        of OpenTelemetry: OpenInference, Langfuse; genai for its own conventions, the AI SDK
platforms    exports of LangSmith and Langfuse; mlflow for MLflow and Weave
logs         plain messages and hits
joining      the events of several records about one call, as one
formats      records to events, by the shape of each record

To add a format, see docs/recipes.md.
"""

from typing import TYPE_CHECKING

from ctxmem.errors import former_names
from ctxmem.traces.events import NO_MESSAGES, ROOT, Event, Kind, Passage, Usage
from ctxmem.traces.formats import FORMATS, UNKNOWN, read_events
from ctxmem.traces.records import MAX_LINE, ReadStats, read_records
from ctxmem.traces.requests import MESSAGES

__all__ = [
    "FORMATS",
    "MAX_LINE",
    "MESSAGES",
    "NO_MESSAGES",
    "ROOT",
    "UNKNOWN",
    "Event",
    "Kind",
    "Passage",
    "ReadStats",
    "Usage",
    "read_events",
    "read_records",
]

if not TYPE_CHECKING:  # a type checker would accept every name, misspelt ones too
    __getattr__ = former_names(__name__, {"Tally": ("ReadStats", ReadStats)})
