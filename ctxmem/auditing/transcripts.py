"""Transcripts that have a line for each message: which lines were sent with which call.

The lines of a transcript are a tree: each names the one before it. Whoever goes back to an earlier
message and goes on from there leaves a branch behind, and a call's window is the path from the root
to it. An answer of several blocks has several lines of one message id, with results of its tools
between them; it is one message and one call. A session that was resumed or forked begins with
copies of another's lines: they are sent again, but were called once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.messages import calls_made, is_answer, joined, results_in, size_of
from ctxmem.auditing.sessions import Lines
from ctxmem.traces import ROOT

_KEPT_BYTES = 64 << 20  # of the lines of all sessions; beyond, the longest idle are forgotten
_MOST_WAITING = 16  # answers that more lines may come for; the one that waits longest is complete
_AGENT = " (agent "  # in the name of a session: several agents' lines may share it


@dataclass(slots=True, eq=False)
class _Node:
    """A message of a transcript; `depth` is how many are on the path from the root to it."""

    thread: _Thread
    call: Call | None = None
    parent: _Node | None = None
    depth: int = 0
    answer: _Node | None = None  # of the model, that it is or that it is a tool's result for


@dataclass(slots=True, eq=False)
class _Thread:
    """The path that goes on, and the answer whose lines may not all be there yet."""

    name: str
    root: _Node = field(init=False)
    path: list[_Node] = field(default_factory=list)
    pending: list[_Node] = field(default_factory=list)
    called: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.root = _Node(self)

    @property
    def tip(self) -> _Node:
        """The message that comes last."""
        return self.path[-1] if self.path else self.root


@dataclass(slots=True)
class _Session:
    threads: list[_Thread] = field(default_factory=list)
    nodes: dict[str, _Node] = field(default_factory=dict)
    size: int = 0


class Transcripts:
    """Takes turns as they are logged; returns each message once, behind the one it was sent after.

    A rewound conversation has a restart that holds the path to where it goes on.
    """

    def __init__(self) -> None:
        self.lines = Lines()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._nodes: dict[str, _Node] = {}  # of all sessions: a fork names lines of another
        self._size = 0
        self._waiting: OrderedDict[int, _Thread] = OrderedDict()

    def add(self, call: Call) -> list[Call]:
        """Take a line; return what is complete by now."""
        done: list[Call] = []
        name = call.session or "chat"
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = _Session()
        self._sessions.move_to_end(name)
        if call.link:
            self._link(session, call)
            return done
        if call.line:
            read = self.lines.read(call.line, name)
            if read == "again":
                return done
            call.known = read == "copied"
        thread = self._thread(session, name, call)
        call.session = thread.name
        if call.restart:
            self._restart(session, thread, call, done)
        else:
            self._turn(session, thread, call, done)
            self._settle(session, call, done)
        return done

    def rest(self) -> list[Call]:
        """Return what is not complete and will not be."""
        done: list[Call] = []
        for session in self._sessions.values():
            for thread in session.threads:
                self._close(thread, done)
        return done

    # Where a line belongs

    def _thread(self, session: _Session, name: str, call: Call) -> _Thread:
        """Return the thread that a line goes on: agents of one session may take turns."""
        if call.parent:
            parent = session.nodes.get(call.parent)
            if parent is not None:
                return parent.thread
        anew = call.parent == ROOT and _AGENT in name and not call.restart
        if session.threads and not anew:
            return session.threads[-1]
        number = len(session.threads) + 1
        session.threads.append(_Thread(name if number == 1 else f"{name} #{number}"))
        return session.threads[-1]

    def _link(self, session: _Session, call: Call) -> None:
        """Let a line without a message be another name of the message before it."""
        parent = session.nodes.get(call.parent)
        if parent is None and session.threads:
            thread = session.threads[-1]
            parent = thread.pending[-1] if thread.pending else thread.tip
        if parent is not None:
            self._name(session, call.span, parent)

    def _name(self, session: _Session, span: str, node: _Node) -> None:
        if span:
            session.nodes[span] = node
            self._nodes.setdefault(span, node)

    # What a line adds

    def _restart(self, session: _Session, thread: _Thread, call: Call, done: list[Call]) -> None:
        self._close(thread, done)
        thread.path, thread.root = [], _Node(thread)
        self._name(session, call.span, thread.root)
        done.append(call)

    def _turn(self, session: _Session, thread: _Thread, call: Call, done: list[Call]) -> None:
        message = call.messages[0] if call.messages else None
        asked = is_answer(message)
        if thread.pending:
            first = thread.pending[0]
            assert first.call is not None
            if asked and first.call.turn == call.turn:
                _join(first.call, call)
                thread.called |= calls_made(message)
                self._name(session, call.span, first)
                return
            if not asked and not thread.called.isdisjoint(results_in(message)):
                node = _Node(thread, call, thread.pending[-1], answer=first)
                thread.pending.append(node)
                self._name(session, call.span, node)
                return
            self._close(thread, done)
        if call.parent:
            self._fork(session, thread, call, done)
        elif not call.span and not asked:
            done.append(call)  # no other line can name it
            return
        node = _Node(thread, call, thread.tip, len(thread.path) + 1)
        self._name(session, call.span, node)
        if asked:
            node.answer = node
            thread.pending, thread.called = [node], calls_made(message)
            self._waiting[id(thread)] = thread
            if len(self._waiting) > _MOST_WAITING:
                self._close(next(iter(self._waiting.values())), done)
            return
        thread.path.append(node)
        done.append(call)

    def _close(self, thread: _Thread, done: list[Call]) -> None:
        """Put the answer that is complete behind the path, and the results of its tools."""
        for node in thread.pending:
            assert node.call is not None
            if node.call.span:
                node.parent, node.depth = thread.tip, len(thread.path) + 1
                thread.path.append(node)
            done.append(node.call)
        thread.pending = []
        self._waiting.pop(id(thread), None)

    def _fork(self, session: _Session, thread: _Thread, call: Call, done: list[Call]) -> None:
        """Go back to the message that a line names as the one before it, if it is not the last."""
        parent = session.nodes.get(call.parent) or self._nodes.get(call.parent)
        if call.parent == ROOT:
            parent = _Node(thread)
        if parent is not None and parent in parent.thread.pending:
            self._close(parent.thread, done)
        if parent is None or parent is thread.tip or (not parent.depth and not thread.path):
            return
        left = thread.path[parent.depth :]
        on_path = parent.depth == 0 or thread.path[parent.depth - 1 : parent.depth] == [parent]
        # Blocks and results of one answer name one another in any order.
        answer = parent.answer
        if on_path and answer is not None and all(node.answer is answer for node in left):
            return
        if on_path:
            del thread.path[parent.depth :]
        else:
            thread.path = _path_to(parent)
        messages = [m for node in thread.path if node.call for m in node.call.messages]
        back = Call(call.place, thread.name, thread.name, call.time, "", None, messages, turn="")
        back.restart = back.branch = True
        done.append(back)

    def _settle(self, session: _Session, call: Call, done: list[Call]) -> None:
        """Note what a line holds; forget the sessions that nothing was added to for longest."""
        size = size_of(call.messages[0]) if call.span and call.messages else 100
        session.size += size
        self._size += size
        while self._size > _KEPT_BYTES and len(self._sessions) > 1:
            _, idle = self._sessions.popitem(last=False)
            self._size -= idle.size
            for thread in idle.threads:
                self._close(thread, done)
            for span, node in idle.nodes.items():
                if self._nodes.get(span) is node:
                    del self._nodes[span]


def _path_to(node: _Node | None) -> list[_Node]:
    path = []
    while node is not None and node.depth:
        path.append(node)
        node = node.parent
    return path[::-1]


def _join(first: Call, more: Call) -> None:
    """Add a line to the answer that it is of."""
    first.messages = [joined(first.messages[0], more.messages[0])]
    first.usage = more.usage or first.usage
    first.cost = first.cost if more.cost is None else more.cost
