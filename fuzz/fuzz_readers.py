"""The readers of traces: any bytes in a file end in events and counted records, never in an error.

What was read is sane: every record is counted once, texts are str or not known, and the same bytes
give the same events.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from ctxmem.traces import Event, ReadStats, read_events, read_records
from fuzz import python_target

SAMPLES = python_target.ROOT / "tests" / "data" / "traces"
FOLDER = Path(tempfile.mkdtemp(prefix="ctxmem-fuzz-"))


def seeds() -> list[bytes]:
    """Return the samples of every format, by their first lines."""
    files = sorted(path for path in SAMPLES.iterdir() if path.suffix in (".json", ".jsonl"))
    return [path.read_bytes()[:6000] for path in files]


def events_of(path: Path) -> tuple[list[Event], ReadStats]:
    """Read a file."""
    stats = ReadStats()
    return list(read_events(read_records(str(path), stats, max_line=4096), stats)), stats


def target(data: bytes) -> None:
    """Read the bytes as JSON lines and as a document."""
    for suffix in (".jsonl", ".json"):
        path = FOLDER / f"trace{suffix}"
        path.write_bytes(data)
        events, stats = events_of(path)
        for event in events:
            # Of some passages only the id is known.
            assert all(isinstance(passage.text, str | None) for passage in event.passages)
            assert isinstance(event.query or "", str) and isinstance(event.format, str)
        again, same = events_of(path)
        assert repr(events) == repr(again) and repr(stats) == repr(same)


if __name__ == "__main__":
    python_target.main(target, seeds())
