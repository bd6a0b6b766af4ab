"""Read pages of a session by their numbers, from the window or from the store."""

from __future__ import annotations

import re
from collections.abc import Callable

from ctxmem.errors import InputError
from ctxmem.memory.editing import page_name
from ctxmem.memory.items import Item
from ctxmem.memory.stored_session import StoredSession
from ctxmem.memory.window import Page

_PAGE_ID = re.compile(r"p[0-9]{1,12}")


class PageReader:
    """Reads the pages of one session; `count` counts the tokens of a text."""

    def __init__(self, session: StoredSession, count: Callable[[str], int]) -> None:
        self._session, self._count = session, count

    def number(self, id: str) -> int:
        """Return the number of a page by its id.

        Raises `InputError` for a page that is not of this session.
        """
        number = int(id[1:]) if isinstance(id, str) and _PAGE_ID.fullmatch(id) else -1
        if not 0 <= number < self._session.state.items.page_count:
            self._session.catch_up()
        count = self._session.state.items.page_count
        if not 0 <= number < count:
            there = f"p0 to p{count - 1}" if count else "none yet"
            raise InputError(f"there is no page {id!r}; this session has {there}")
        return number

    def item(self, page: int) -> Item:
        """Return the item of a page."""
        items = self._session.state.items
        return items[items.of_page(page)]

    def is_resident(self, page: int) -> bool:
        """Return whether the window shows a page in full."""
        return self._shows(self._session.state.items.of_page(page))

    def _shows(self, item: int) -> bool:
        """Return whether the window shows an item in full."""
        state = self._session.state
        if item in state.in_full or item in state.passing:
            return True
        if item in state.absent:
            return False
        return item >= state.committed and (item not in state.parts or state.items[item].pinned)

    def page(self, page: int, score: float = 0.0) -> Page:
        """Return a page; `score` is how well it answers a query."""
        item = self.item(page)
        text = item.part(page)
        return Page(
            id=page_name(page),
            text=text,
            role=item.role,
            tokens=self._count(text),
            message=item.index,
            resident=self._shows(item.index),
            score=score,
            session=self._session.log.session,
        )
