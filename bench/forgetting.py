"""Plant what was forgotten: does `ctxmem audit --forgotten` find it, and nothing where it is not?

A session is a chat with tools in which something is said early. Then other work follows, the
history is trimmed or compacted, and what was said is needed: a rule, a file, a command's result,
an answer, an identifier. Its clean twin has the same shape, but what is needed is still there, in
the window or in the summary, or there was a reason to ask for it again.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ctxmem.bench import forgetting_wordings as wordings

from ctxmem.auditing.conversations import conversations
from ctxmem.auditing.forgetting.sequels import joined
from ctxmem.auditing.forgotten import forgotten
from ctxmem.tokens import resolve

FORMATS = ("claude_code", "openai", "anthropic", "openinference")
KINDS = ("forgotten_rule", "asked_again", "read_again", "run_again", "forgotten_identifier")


class Step(NamedTuple):
    """One message, or a call with its result."""

    role: str  # user, assistant or call
    text: str = ""
    name: str = ""
    arguments: Mapping[str, Any] | None = None
    result: str = ""


class Truth(NamedTuple):
    """What was planted: the kind of finding, and a text that the finding names."""

    kind: str
    about: str


def called(tool: str, output: str, **arguments: Any) -> Step:
    """Return a call with its result."""
    return Step("call", name=tool, arguments=arguments, result=output)


class Writer:
    """Writes the steps of one session, each text once unless it is planted."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.notes: tuple[str, ...] = wordings.NOTES
        self._numbers = iter(rng.sample(range(100, 999), 899))
        words = rng.sample(wordings.MODULES.split(), 3)
        self._modules = [
            f"{word}_{end}" for word, end in zip(words, ("store", "io", "main"), strict=True)
        ]

    def number(self) -> int:
        """Return a number that no other text of the session has."""
        return next(self._numbers) * 100 + self.rng.randrange(10, 99)

    def filler(self, turns: int) -> list[Step]:
        """Return turns of other work: a request, a look at a file, an answer."""
        steps: list[Step] = []
        for _ in range(turns):
            module = f"{self.rng.choice(wordings.MODULES.split())}{self.number()}"
            request = f"{self.rng.choice(wordings.VERBS.split('|'))} the {module} module, please."
            steps.append(Step("user", request))
            if self.rng.random() < 0.7:
                steps.append(
                    called("read_file", self.code(module), path=f"app/{module}/service.py")
                )
            steps.append(Step("assistant", self.rng.choice(self.notes).format(m=module)))
            if self.rng.random() < 0.5:
                steps += self.distraction()
        return steps

    def distraction(self) -> list[Step]:
        """Return work that looks like forgetting and is none: what it repeats it has to repeat."""
        module = self.rng.choice(self._modules)
        path = f"src/{module}/core.py"
        edit = called("Edit", "ok", file_path=path, old_string=f"a{self.number()}", new_string="b")
        # The file was changed, so that it is read for a reason.
        read = called("Read", self.code(module, 4), file_path=path)
        tests = called("Bash", "collected 14 items\n14 passed", command="pytest -q")
        status = called("Bash", f"On branch main\nmodified: {path}", command="git status")
        a, b = self.rng.randrange(30), self.rng.randrange(30)
        kinds: list[list[Step]] = [
            [edit, read],
            [edit, tests],
            [status, called("Bash", "ok", command="git add -A")],
            [called("TodoWrite", "Todos have been modified successfully", todos=["fix", "test"])],
            [called("Read", self.code("big", 4), file_path="src/big.py", offset=self.number())],
            [called("get_job_status", "running", job="nightly")],
            [called("Bash", f"diff --git a/{path}\n+{self.number()}", command="git diff")],
            [],
        ]
        requests = [request.format(m=module, a=a, b=b) for request in wordings.REQUESTS]
        done = self.rng.choice(self.notes).format(m=module)
        return [
            Step("user", self.rng.choice(requests)),
            *self.rng.choice(kinds),
            Step("assistant", done),
        ]

    def code(self, module: str, lines: int = 8) -> str:
        """Return a file that no other is like."""
        name = "".join(word.capitalize() for word in module.split("_"))
        rows = [f"class {name}Service:", f'    """Serve {module}."""', ""]
        for _ in range(lines):
            n = self.number()
            rows.append(f"    def step_{n}(self, value):")
            rows.append(f"        return value + {n}")
        return "\n".join(rows)


def filled(value: Any, **fields: Any) -> Any:
    """Return a value with its texts filled in."""
    if isinstance(value, str):
        return value.format(**fields)
    if isinstance(value, dict):
        return {key: filled(inner, **fields) for key, inner in value.items()}
    return [filled(inner, **fields) for inner in value] if isinstance(value, list) else value


class Planted(NamedTuple):
    """What is said early, what comes in between, what is needed late, and what is to be found."""

    early: list[Step]
    late: list[Step]
    truth: Truth
    said: str  # what a summary has to say so that nothing is forgotten
    reason: Sequence[Step] = ()  # what makes it right to ask again


def plant_rule(writer: Writer) -> Planted:
    """Plant a rule that is broken or said again."""
    rule, broken, again = writer.rng.choice(wordings.RULES)
    late: list[Step]
    early = [Step("user", rule), Step("assistant", "Understood.")]
    if broken == "english":  # so far the answers are in the language that the rule wants
        named = (notes for name, notes in wordings.NOTES_IN.items() if name in rule)
        writer.notes = next(named, wordings.GERMAN_NOTES)
    ask = [Step("user", f"Now do the same for the module{writer.number()} part.")]
    if broken is not None and (not again or writer.rng.random() < 0.6):
        late = [*ask, *_breaking(broken, writer)]
    else:
        late = [
            *ask,
            Step("assistant", "Done, have a look."),
            Step("user", again),
            Step("assistant", "Sorry, I will keep to it."),
        ]
    return Planted(early, late, Truth("forgotten_rule", rule[:40]), rule)


def _breaking(how: Any, writer: Writer) -> list[Step]:
    if isinstance(how, tuple):
        kind, what = how
        arguments = (
            {"command": what}
            if kind == "bash"
            else {"file_path": what, "old_string": "a", "new_string": "b"}
        )
        name = "Bash" if kind == "bash" else "Edit"
        return [
            Step("call", name=name, arguments=arguments, result="ok"),
            Step("assistant", "Done."),
        ]
    texts = {
        "english": "The part is done and the tests are green, so you can have a look at it when "
        "you have the time for it, and the rest of the work is on the list.",
        "emoji": "All done \U0001f680 have a look.",
        "long": "I went through the part line by line. " * 9,
        "bullets": "Done:\n- one part\n- another part",
        "sentences": "It is done. I ran it. It passed. Have a look. Then say what you think.",
        "word": "We can leverage the index that is there already.",
    }
    return [Step("assistant", texts[how])]


def plant_question(writer: Writer) -> Planted:
    """Plant a question that the user or the model asks again."""
    if writer.rng.random() < 0.5:
        asked, answered, again = writer.rng.choice(wordings.QUESTIONS)
        early = [Step("user", asked), Step("assistant", answered)]
        late = [Step("user", again), Step("assistant", "Let me look that up.")]
        return Planted(early, late, Truth("asked_again", again[:30]), f"{asked} {answered}")
    asked, answered, again = writer.rng.choice(wordings.ASKED_BY_MODEL)
    early = [
        Step("user", f"I need a hand with case {writer.number()}."),
        Step("assistant", asked),
        Step("user", answered),
        Step("assistant", "Thanks, noted."),
    ]
    late = [
        Step("user", "Now finish it."),
        Step("assistant", again),
        Step("user", answered),
        Step("assistant", "Thank you."),
    ]
    return Planted(early, late, Truth("asked_again", ""), f"{asked} {answered}")


def plant_read(writer: Writer) -> Planted:
    """Plant a file that is read again."""
    n = writer.number()
    path = writer.rng.choice(wordings.PATHS).format(n=n)
    name, arguments = writer.rng.choice(wordings.READS)
    text = writer.code(f"core{n}")
    read = called(name, text, **filled(arguments, p=path))
    early = [Step("user", f"What does {path} do?"), read, Step("assistant", "It holds the steps.")]
    late = [Step("user", "Go on with the list."), read, Step("assistant", "I see the steps now.")]
    edit = called("Edit", "ok", file_path=path, old_string="x", new_string="y")
    changed = read._replace(result=writer.code(f"core{n}"))
    reason = [Step("user", "Rename the steps."), edit, Step("assistant", "Renamed.")]
    reason += [Step("user", "Go on."), changed, Step("assistant", "I see.")]
    return Planted(early, late, Truth("read_again", path), text, reason)


def plant_run(writer: Writer) -> Planted:
    """Plant a command, or a look-up, that is run again."""
    n = writer.number()
    result = "\n".join(f"row {writer.number()}: {writer.number()} items" for _ in range(9))
    name, arguments = writer.rng.choice(wordings.RUNS)
    run = called(name, result, **filled(arguments, n=n))
    early = [Step("user", "What do we have there?"), run, Step("assistant", "Nine rows.")]
    late = [Step("user", "Give me the largest row."), run, Step("assistant", "The third row.")]
    reason = [
        Step("user", "Please run it again, I changed the data."),
        run,
        Step("assistant", "Same."),
    ]
    if name == "Bash" and writer.rng.random() < 0.5:
        edit = called("Edit", "ok", file_path="lib/a.py", old_string="x", new_string="y")
        reason = [Step("user", "Fix the sum."), edit, run, Step("assistant", "Fixed.")]
    return Planted(early, late, Truth("run_again", str(n)), result, reason)


def plant_identifier(writer: Writer) -> Planted:
    """Plant an identifier that the user or a call uses again."""
    name = writer.rng.choice(wordings.SHAPES).format(n=writer.number())
    said, again = writer.rng.choice(wordings.IDENTIFIERS)
    early = [Step("user", said.format(i=name)), Step("assistant", "I made a note of that.")]
    if writer.rng.random() < 0.5:
        late = [Step("user", again.format(i=name)), Step("assistant", "Sure.")]
    else:
        late = [
            Step("user", "Now close my case."),
            Step("call", name="close_case", arguments={"reference": name}, result="closed"),
            Step("assistant", "It is closed."),
        ]
    return Planted(early, late, Truth("forgotten_identifier", name), said.format(i=name))


PLANTERS: dict[str, Callable[[Writer], Planted]] = {
    "forgotten_rule": plant_rule,
    "asked_again": plant_question,
    "read_again": plant_read,
    "run_again": plant_run,
    "forgotten_identifier": plant_identifier,
}


# Formats ------------------------------------------------------------------------------------------


def messages_of(steps: Sequence[Step], form: str) -> list[tuple[dict[str, Any], bool]]:
    """Return the steps as messages of a provider, each with whether the model says it."""
    made: list[tuple[dict[str, Any], bool]] = []
    for number, step in enumerate(steps):
        if step.role != "call":
            made.append(({"role": step.role, "content": step.text}, step.role == "assistant"))
            continue
        key = f"call_{number}"
        if form == "openai":
            function = {"name": step.name, "arguments": json.dumps(step.arguments or {})}
            call = {"id": key, "type": "function", "function": function}
            made.append(({"role": "assistant", "content": None, "tool_calls": [call]}, True))
            made.append(({"role": "tool", "tool_call_id": key, "content": step.result}, False))
        else:
            use = {
                "type": "tool_use",
                "id": key,
                "name": step.name,
                "input": dict(step.arguments or {}),
            }
            result = {"type": "tool_result", "tool_use_id": key, "content": step.result}
            made.append(({"role": "assistant", "content": [use]}, True))
            made.append(({"role": "user", "content": [result]}, False))
    return made


class Cut(NamedTuple):
    """How a history is cut: to `room` messages, or at message `at`, behind a summary.

    With `keep` the results of tools are cleared, except for so many: they become the `stub`, or, if
    that is "", the server clears them and says so in its response.
    """

    room: int = 0
    at: int = 0
    summary: str = ""
    keep: int = 0
    stub: str = ""

    def window(self, said: list[Any]) -> list[Any]:
        """Return what is sent of a history: the end, from a question on."""
        if self.keep and self.stub:
            return self._cleared(said)
        starts = [i for i, one in enumerate(said) if _is_question(one)]
        if self.summary and len(said) > self.at:
            note = {"role": "user", "content": self.summary}
            return [note, *said[next((i for i in starts if i >= self.at), starts[-1]) :]]
        if self.room and len(said) > self.room:
            first = len(said) - self.room
            return said[next((i for i in starts if i >= first), starts[-1]) :]
        return said

    def _cleared(self, said: list[Any]) -> list[Any]:
        places = [i for i, one in enumerate(said) if _has_result(one)][: -self.keep]
        return [_with_result(one, self.stub) if i in places else one for i, one in enumerate(said)]


def _has_result(message: dict[str, Any]) -> bool:
    content = message["content"]
    return message["role"] == "tool" or (
        isinstance(content, list) and content[0]["type"] == "tool_result"
    )


def _with_result(message: dict[str, Any], text: str) -> dict[str, Any]:
    if message["role"] == "tool":
        return {**message, "content": text}
    return {**message, "content": [{**block, "content": text} for block in message["content"]]}


def requests_of(
    steps: Sequence[Step], form: str, session: str, cut: Cut
) -> Iterator[dict[str, Any]]:
    """Yield a request for each message of the model."""
    system = {"role": "system", "content": "You are a careful assistant for a small company."}
    said = messages_of(steps, form)
    for i, (message, by_model) in enumerate(said):
        if not by_model:
            continue
        window = cut.window([one for one, _ in said[:i]])
        record = _request(window, message, system, form, session, i)
        cleared = sum(map(_has_result, window)) - cut.keep
        if cut.keep and not cut.stub and cleared > 0:
            edit = {"type": "clear_tool_uses_20250919", "cleared_tool_uses": cleared}
            record["response"]["context_management"] = {"applied_edits": [edit]}
        yield record


def _is_question(message: dict[str, Any]) -> bool:
    return message["role"] == "user" and isinstance(message["content"], str)


def _request(window: list[Any], answer: Any, system: Any, form: str, session: str, i: int) -> Any:
    time = f"2026-03-02T10:{i // 60:02}:{i % 60:02}Z"
    if form == "anthropic":
        request = {"model": "claude-sonnet-4-5", "system": system["content"], "messages": window}
        content = answer["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        response = {
            "role": "assistant",
            "content": blocks,
            "usage": {"input_tokens": 9, "output_tokens": 9},
        }
        return {"session_id": session, "timestamp": time, "request": request, "response": response}
    request = {"model": "gpt-4.1", "messages": [system, *window]}
    response = {
        "choices": [{"message": answer}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9},
    }
    return {"session_id": session, "timestamp": time, "request": request, "response": response}


def spans_of(steps: Sequence[Step], session: str, cut: Cut) -> Iterator[dict[str, Any]]:
    """Yield the requests as OpenInference spans."""
    for number, request in enumerate(requests_of(steps, "openai", session, cut)):
        attributes: dict[str, Any] = {"openinference.span.kind": "LLM", "session.id": session}
        asked = request["request"]["messages"]
        answered = [request["response"]["choices"][0]["message"]]
        for side, messages in (("input", asked), ("output", answered)):
            for i, message in enumerate(messages):
                head = f"llm.{side}_messages.{i}.message"
                attributes[f"{head}.role"] = message["role"]
                if message.get("content"):
                    attributes[f"{head}.content"] = message["content"]
                if message.get("tool_call_id"):
                    attributes[f"{head}.tool_call_id"] = message["tool_call_id"]
                for j, call in enumerate(message.get("tool_calls") or ()):
                    at = f"{head}.tool_calls.{j}.tool_call"
                    attributes[f"{at}.id"] = call["id"]
                    attributes[f"{at}.function.name"] = call["function"]["name"]
                    attributes[f"{at}.function.arguments"] = call["function"]["arguments"]
        yield {
            "name": "ChatCompletion",
            "context": {"trace_id": f"{session}-{number:04}", "span_id": f"{number:016x}"},
            "parent_id": None,
            "start_time": request["timestamp"],
            "end_time": request["timestamp"],
            "attributes": attributes,
        }


def transcript_of(
    before: Sequence[Step], after: Sequence[Step], session: str, summary: str | None
) -> Iterator[dict[str, Any]]:
    """Yield a Claude Code transcript; with a summary, it was compacted between the two parts."""
    lines = 0
    parent = None

    def line(kind: str, **more: Any) -> dict[str, Any]:
        nonlocal lines, parent
        lines += 1
        name = f"{session}-{lines:04}"
        made = {
            "type": kind,
            "uuid": name,
            "parentUuid": parent,
            "sessionId": session,
            "timestamp": f"2026-03-02T10:{lines // 60:02}:{lines % 60:02}Z",
            **more,
        }
        parent = name
        return made

    parts = [before, after] if summary is not None else [[*before, *after]]
    for at, steps in enumerate(parts):
        if at:
            parent = None
            yield line("system", subtype="compact_boundary", content="Conversation compacted")
            text = summary or ""
            yield line("user", isCompactSummary=True, message={"role": "user", "content": text})
        for number, (message, by_model) in enumerate(messages_of(steps, "anthropic")):
            renamed = json.loads(json.dumps(message).replace('"call_', f'"toolu_{at}_'))
            if not by_model:
                yield line("user", message=renamed)
                continue
            content = renamed["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            answer = {
                "id": f"msg_{session}_{at}_{number}",
                "role": "assistant",
                "model": "claude-sonnet-4-5",
                "content": blocks,
                "usage": {"input_tokens": 9, "output_tokens": 9},
            }
            yield line("assistant", message=answer)


# Sessions -----------------------------------------------------------------------------------------


def plant_forgetting(
    rng: random.Random, session: str, *, clean: bool = False, kind: str = "", form: str = ""
) -> tuple[list[dict[str, Any]], list[Truth]]:
    """Return the records of a session and what was forgotten in it, nothing if it is `clean`."""
    writer = Writer(rng)
    planted = PLANTERS[kind or rng.choice(KINDS)](writer)
    form = form or rng.choice(FORMATS)
    first = [*writer.filler(rng.randint(0, 2)), *planted.early]
    between = writer.filler(rng.randint(5, 8))
    late = [*planted.late, *writer.filler(rng.randint(1, 2))]
    truth = [] if clean else [planted.truth]
    way = rng.choice(("kept", "reason", "unneeded")) if clean else ""
    if way == "reason" and not planted.reason:
        way = "kept"
    if way == "reason":
        late = [*planted.reason, *writer.filler(1)]
    elif way == "unneeded":
        late = writer.filler(3)
    summary_text = rng.choice(wordings.SUMMARIES).format(n=writer.number())
    kept = planted.truth.kind not in ("read_again", "run_again")
    if way == "kept" and kept:
        summary_text += f"\nThe user said: {planted.said}"
    whole = way == "kept" and not kept  # nothing leaves, so it is still there
    if form == "claude_code":
        summary = None if whole else summary_text
        return list(transcript_of([*first, *between], late, session, summary)), truth
    steps = [*first, *between, *late]
    early = len(messages_of([*first, *between[:-4]], form))
    cut = Cut() if whole else Cut(at=early, summary=summary_text)
    if way != "kept" and rng.random() < 0.6:
        cut = Cut(room=rng.randint(8, 12))
    if not kept and not whole and sum(step.role == "call" for step in between) >= 2:
        stub = rng.choice(wordings.STUBS)
        if stub or form == "anthropic":
            cut = rng.choice((cut, Cut(keep=1, stub=stub)))
    if form == "openinference":
        return list(spans_of(steps, session, cut)), truth
    return list(requests_of(steps, form, session, cut)), truth


def score(seed: int, count: int) -> dict[str, Any]:
    """Plant sessions and clean ones; return what was found of the one and in the other."""
    counter = resolve("o200k_base")
    planted: Counter[tuple[str, str]] = Counter()
    missed: list[Any] = []
    extra: list[Any] = []
    false: list[Any] = []
    for number in range(count):
        for clean in (False, True):
            rng = random.Random(f"{seed} {number} {clean}")
            kind, form = KINDS[number % 5], FORMATS[number // 5 % 4]
            session = f"s{number}{'c' if clean else ''}"
            records, truth = plant_forgetting(rng, session, clean=clean, kind=kind, form=form)
            found = [one for c in joined(conversations(records)) for one in forgotten(c, counter)]
            if clean:
                false += [(number, form, kind, one.kind, one.title, one.use) for one in found]
                continue
            planted[kind, form] += 1
            hits = [o for o in found if o.kind == kind and truth[0].about.lower() in _all(o)]
            if not hits:
                missed.append((number, form, truth[0], [(o.kind, o.title) for o in found]))
            extra += [
                (number, form, kind, o.kind, o.title, o.use[:200])
                for o in found
                if o not in hits[:1]
            ]
    return {"planted": sum(planted.values()), "missed": missed, "extra": extra, "false": false}


def _all(one: Any) -> str:
    return f"{one.title}\n{one.left}\n{one.before}\n{one.use}".lower()


def main(argv: Sequence[str] | None = None) -> int:
    """Print how much of what was planted was found, and what was found where nothing was."""
    parser = argparse.ArgumentParser(prog="ctxmem bench forgetting", description=__doc__)
    parser.add_argument("--sessions", type=int, default=400, help="planted ones; as many are clean")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="name what was missed and why")
    arguments = parser.parse_args(argv)
    found = score(arguments.seed, arguments.sessions)
    missed, false = found["missed"], found["false"]
    share = 1 - len(missed) / max(1, found["planted"])
    print(
        f"planted {found['planted']:,}: {share:.1%} found; {len(found['extra'])} others beside them"
    )
    print(f"clean {arguments.sessions:,}: {len(false)} false alarms")
    for name in ("missed", "extra", "false") if arguments.verbose else ():
        for one in found[name]:
            print(name, *one, sep=" | ")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
