"""Other people's traces: files of any known format in, events out.

events    what a trace says, whoever wrote it: what was retrieved, what a model was asked
records   bytes to JSON records: lines, documents, gzip, folders, standard input, Parquet
attrs     attributes of spans, flattened or nested, as plain values
formats   records to events, by the shape of each record

To add a format, see docs/recipes.md.
"""

from ctxmem.traces.events import ROOT, Event, Kind, Passage, Usage
from ctxmem.traces.formats import FORMATS, read_events
from ctxmem.traces.logs import MESSAGES
from ctxmem.traces.records import MAX_LINE, Tally, read_records

__all__ = [
    "FORMATS",
    "MAX_LINE",
    "MESSAGES",
    "ROOT",
    "Event",
    "Kind",
    "Passage",
    "Tally",
    "Usage",
    "read_events",
    "read_records",
]
