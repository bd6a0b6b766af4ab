"""Parquet by pyarrow: rows of a file in portions, again, and written."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem.errors import InputError, MissingExtraError

_ROWS = 8192  # read at once


def pyarrow(module: str = "pyarrow") -> Any:
    """Return pyarrow or a module of it.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            "Parquet needs pyarrow; install it with pip install 'ctxmem[parquet]'"
        ) from error


class Rows:
    """Rows of Parquet files by their numbers; reading on from where it was costs no search."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._file: Any = None
        self._path = ""
        self._batches: Iterator[Any] = iter(())
        self._at = -1  # number of the first row of the next batch
        self._rest: Any = None  # of a batch that was read in part

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
        self._file, self._path, self._at, self._rest = None, "", -1, None

    def _seek(self, path: str, row: int) -> None:
        if path == self._path and row == self._at:
            return
        if path != self._path:
            self.close()
            parquet = pyarrow("pyarrow.parquet")
            try:
                self._file, self._path = parquet.ParquetFile(path), path
            except (OSError, ValueError) as error:
                raise InputError(f"{path} is not Parquet: {error}") from error
        metadata, start, group = self._file.metadata, 0, 0
        while group < metadata.num_row_groups:
            rows = metadata.row_group(group).num_rows
            if start + rows > row:
                break
            start, group = start + rows, group + 1
        groups = list(range(group, metadata.num_row_groups))
        self._batches = iter(self._file.iter_batches(_ROWS, row_groups=groups))
        self._at, self._rest = start, None
        while self._at < row and (batch := self._next()) is not None:
            if self._at > row:
                self._put_back(batch.slice(batch.num_rows - (self._at - row)))

    def _next(self) -> Any:
        batch, self._rest = self._rest, None
        if batch is None:
            batch = next(self._batches, None)
        if batch is not None:
            self._at += batch.num_rows
        return batch

    def _put_back(self, batch: Any) -> None:
        self._rest = batch
        self._at -= batch.num_rows

    def between(self, path: str, begin: int, end: int) -> Any:
        """Return rows of a file as a table."""
        self._seek(path, begin)
        gathered: list[Any] = []
        while self._at < end and (batch := self._next()) is not None:
            if self._at > end:
                more = self._at - end
                self._put_back(batch.slice(batch.num_rows - more))
                batch = batch.slice(0, batch.num_rows - more)
            gathered.append(batch)
        return pyarrow().Table.from_batches(gathered, self._file.schema_arrow)

    def after(self, path: str, row: int, size: int) -> Iterator[tuple[int, Any]]:
        """Yield (number of its first row, table) of the rest of a file, of about `size` bytes."""
        while True:
            self._seek(path, row)
            gathered: list[Any] = []
            taken = 0
            while taken < size and (batch := self._next()) is not None:
                gathered.append(batch)
                taken += batch.nbytes
            if not gathered:
                return
            table = pyarrow().Table.from_batches(gathered, self._file.schema_arrow)
            yield row, table
            row += table.num_rows


def values(table: Any, name: str) -> list[Any]:
    """Return a column as Python values; all None if there is no such column."""
    if name not in table.column_names:
        return [None] * int(table.num_rows)
    found: list[Any] = table.column(name).to_pylist()
    return found


def content_of(table: Any) -> Any:
    """Return the content of a table, for a checksum: the same however its rows were read."""
    out = pyarrow().BufferOutputStream()
    with pyarrow("pyarrow.ipc").new_stream(out, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return out.getvalue()


def chosen(tables: list[Any], mask: NDArray[np.bool_]) -> Any:
    """Return the rows of tables, one after the other, that a mask has."""
    arrow = pyarrow()
    return arrow.concat_tables(tables).filter(arrow.array(mask))


def written(table: Any) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    out = io.BytesIO()
    pyarrow("pyarrow.parquet").write_table(table, out, compression="zstd")
    return out.getvalue()
