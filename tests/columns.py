"""The columns of the pipeline of a pack, which a window does not have."""

from __future__ import annotations

from unittest import mock

from ctxmem import Window, intake, pack
from ctxmem.candidates import Candidates


def pack_with_table(chunks, budget, **options) -> tuple[Window, Candidates]:
    """Pack, and return the table that went through the pipeline with the window."""
    tables = []
    read = intake.read

    def keep(*arguments, **named):
        tables.append(read(*arguments, **named))
        return tables[-1]

    with mock.patch.object(intake, "read", keep):
        window = pack(chunks, budget, **options)
    (table,) = tables
    return window, table
