"""A model at an address: what is sent, what is tried again, what is never shown."""

from __future__ import annotations

import email.utils
import functools
import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import ctxmem
from ctxmem.blaming.addresses import AddressModel
from ctxmem.blaming.models import AskError, FunctionModel, LostError, RefusedError, read_answer
from ctxmem.errors import InputError

ASK = [{"role": "user", "content": "Wann? \ud800 é"}]
KEY = "sk-very-secret"


def said(text, **more):
    message = {"choices": [{"message": {"role": "assistant", "content": text}}], **more}
    return 200, {}, json.dumps(message).encode()


@contextmanager
def server(*answers):
    """Serve answers one after another, the last one for ever; yield address and requests."""
    seen = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.path, dict(self.headers), json.loads(body or b"null")))
            answer = left.pop(0) if len(left) > 1 else left[0]
            code, headers, data = answer(seen[-1]) if callable(answer) else answer
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(BrokenPipeError):  # who asked has gone
                self.wfile.write(data)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{one.server_port}", seen
    finally:
        one.shutdown()
        one.server_close()


def model(address, waits=None, **options):
    sleep = (waits if waits is not None else []).append
    return AddressModel(address, **{"model": "small", "sleep": sleep, **options})


def test_a_request_has_the_messages_and_the_key_of_the_variable(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    with server(said("thirty", usage=usage)) as (address, seen):
        answer = model(f"{address}/v1/").ask(ASK, "recorded")
    assert answer == ("thirty", 7, 2)
    path, headers, body = seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {"model": "small", "messages": ASK, "max_tokens": 1024, "temperature": 0.0}


def test_the_name_of_the_trace_is_used_if_none_is_given():
    with server(said("x")) as (address, seen):
        model(address, model="").ask(ASK, "recorded")
        with pytest.raises(RefusedError, match="give --name NAME"):
            model(address, model="").ask(ASK, "")
    assert [(path, body["model"]) for path, _, body in seen] == [
        ("/v1/chat/completions", "recorded")
    ]


def test_a_busy_server_is_asked_again_as_late_as_it_says():
    later = email.utils.formatdate(time.time() + 30, usegmt=True)
    busy = [(429, {"Retry-After": "2.5"}, b""), (503, {"Retry-After": later}, b""), (500, {}, b"")]
    waits = []
    with server(*busy, said("yes")) as (address, seen):
        assert model(address, waits).ask(ASK, "").text == "yes"
    assert len(seen) == 4
    assert waits[0] == 2.5 and 25 < waits[1] <= 30 and waits[2] == 2.0


def test_after_the_last_attempt_the_reason_is_the_servers():
    with (
        server((429, {}, b'{"error": {"message": "slow down"}}')) as (address, seen),
        pytest.raises(AskError, match="HTTP 429: slow down"),
    ):
        model(address, retries=2).ask(ASK, "")
    assert len(seen) == 3


def test_a_refused_key_is_not_in_the_message(monkeypatch):
    monkeypatch.setenv("MINE", KEY)
    body = json.dumps({"error": {"message": f"Incorrect API key: {KEY}"}}).encode()
    with server((401, {}, body)) as (address, seen), pytest.raises(RefusedError) as caught:
        model(address, key_env="MINE").ask(ASK, "")
    assert KEY not in str(caught.value)
    assert "Incorrect API key: ***" in str(caught.value) and "MINE is set" in str(caught.value)
    assert len(seen) == 1  # no second attempt


def test_the_key_of_openai_is_not_sent_in_the_clear_to_another_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert model("http://models.example")._key() == ""
    assert model("http://models.example", key_env="OPENAI_API_KEY")._key() == KEY
    assert model("https://models.example")._key() == KEY


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(monkeypatch, code):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with server(said("stolen")) as (other, stolen):
        there = (code, {"Location": f"{other}/v1/chat/completions"}, b"")
        with server(there) as (address, _), pytest.raises(RefusedError):
            model(address).ask(ASK, "")
    assert stolen == []


def test_fields_that_a_model_does_not_take_are_left_out_and_noted():
    def picky(request):
        body = request[2]
        if "max_tokens" in body:
            text = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        elif "temperature" in body:
            text = "Unsupported value: 'temperature' does not support 0"
        else:
            return said("yes")
        return 400, {}, json.dumps({"error": {"message": text}}).encode()

    with server(picky) as (address, seen):
        one = model(address, retries=0)
        assert one.ask(ASK, "").text == "yes"
        assert one.ask(ASK, "").text == "yes"
    assert len(seen) == 4
    assert seen[-1][2]["max_completion_tokens"] == 1024
    assert set(one.notes) == {"max_tokens", "temperature"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html>Bad gateway", "not JSON: it begins with '<html>Bad gateway'"),
        (b'{"object": "list"}', "no choices"),
        (b'{"choices": []}', "no choices"),
        (b"[1]", "no choices"),
    ],
)
def test_an_answer_that_is_none_is_an_error_of_one_question(data, reason):
    with server((200, {}, data)) as (address, _), pytest.raises(AskError, match=reason) as caught:
        model(address).ask(ASK, "")
    assert not isinstance(caught.value, RefusedError)


def test_answers_of_blocks_and_empty_answers_are_read():
    blocks = [{"type": "text", "text": "thir"}, {"type": "x"}, {"type": "text", "text": "ty"}]
    with server(said(blocks), said(None)) as (address, _):
        one = model(address)
        assert one.ask(ASK, "").text == "thirty"
        assert one.ask(ASK, "").text == ""


def test_an_address_that_nobody_listens_at_is_named():
    with server(said("x")) as (address, _):
        pass
    with pytest.raises(RefusedError, match=r"cannot be reached .*expected the address"):
        model(address, retries=1).ask(ASK, "")


def test_a_server_that_hangs_is_given_up_after_the_timeout():
    def slow(_):
        time.sleep(0.5)
        return said("late")

    with (
        server(slow) as (address, _),
        pytest.raises(AskError, match=r"no answer within 0\.1 seconds"),
    ):
        model(address, timeout=0.1, retries=0).ask(ASK, "")


@pytest.mark.parametrize("address", ["http://", "ftp://x/v1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match="expected an address such as"):
        model(address)


def test_a_password_in_the_address_is_refused_without_repeating_it():
    with pytest.raises(InputError, match="--key-env") as caught:
        model("https://me:hunter2@models.example/v1")
    assert "hunter2" not in str(caught.value)


def test_a_function_may_raise_or_return_anything():
    def bad(messages):
        raise KeyError("question")

    with pytest.raises(AskError, match="the model function raised KeyError"):
        FunctionModel(bad).ask(ASK, "")
    with pytest.raises(AskError, match="returned a list; expected a str"):
        FunctionModel(lambda messages: []).ask(ASK, "")
    with pytest.raises(AskError, match="no choices"):
        FunctionModel(lambda messages: {}).ask(ASK, "")
    completion = {"choices": [{"message": {"content": "x"}}]}
    assert FunctionModel(lambda messages: completion).ask(ASK, "").text == "x"
    assert FunctionModel(lambda messages: None).ask(ASK, "").text == ""


def test_two_functions_of_one_name_have_other_answers():
    def first():
        def answer(messages):
            return "a"

        return answer

    def second():
        def answer(messages):
            return "b"

        return answer

    one, same, other = FunctionModel(first()), FunctionModel(first()), FunctionModel(second())
    one.name = same.name = other.name = "answer"
    assert one.identity("") == same.identity("") != other.identity("")


def test_questions_are_asked_of_a_server_and_the_key_is_in_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    hits = [{"text": "Refunds take 30 days."}, {"text": "Parcels take 3 days."}]

    def answer(request):
        asked = request[2]["messages"][-1]["content"]
        return said("30 days" if "Refunds" in asked and "Parcels" not in asked else "3 days")

    with server(answer) as (address, seen):
        found = ctxmem.blame(
            [{"query": "How long do refunds take?", "hits": hits}],
            model=AddressModel(address, model="small"),
            expected={"How long do refunds take?": "30 days"},
            cache=tmp_path / "cache",
        )
    assert found.questions[0].step == "distraction"
    assert len(seen) == found.asked["calls"] == 3  # sent = unrepeated = packed, evidence, none
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(files) == 4 and not any(KEY in path.read_text() for path in files)
    assert KEY not in json.dumps(found.to_dict())


# What a model does before it answers, or instead


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>30 or 90 days?</think>\n\n90 days", "90 days"),
        ("30 or 90 days?\n</think>\n90 days", "90 days"),  # its template has the first mark
        ("<think>30 or 90 da", ""),
        ("Write <think> before it.", "Write <think> before it."),
    ],
)
def test_thoughts_are_no_answer(text, answer):
    with server(said(text)) as (address, _):
        assert model(address).ask(ASK, "").text == answer
    assert FunctionModel(lambda _: text).ask(ASK, "").text == answer


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"message": {"content": ""}, "finish_reason": "length"}, "raise --max-tokens"),
        ({"message": {"content": "<think>so"}, "finish_reason": "length"}, "raise --max-tokens"),
        ({"message": {"content": None}, "finish_reason": "content_filter"}, "content filter"),
    ],
)
def test_an_answer_that_was_held_back_is_no_wrong_answer(choice, reason):
    with (
        server((200, {}, json.dumps({"choices": [choice]}).encode())) as (address, _),
        pytest.raises(AskError, match=reason),
    ):
        model(address).ask(ASK, "")


def test_a_refusal_is_an_answer_that_can_be_read():
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    assert read_answer({"choices": [{"message": message}]}).text == "I cannot help with that."


def test_a_server_that_sends_blanks_for_ever_is_given_up_after_the_timeout():
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            with suppress(OSError):
                for _ in range(200):  # ten seconds, and the answer is not whole
                    if done.wait(0.05):
                        break
                    self.wfile.write(b"\n")

        def log_message(self, *_):
            pass

    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with pytest.raises(AskError, match="no answer within"):
            model(f"http://127.0.0.1:{one.server_port}", timeout=0.3, retries=0).ask(ASK, "")
    finally:
        done.set()
        one.shutdown()
        one.server_close()


def test_a_page_that_repeats_the_key_does_not_show_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}-0123456789")
    with (
        server((200, {}, f"<html>{KEY}-0123456789</html>".encode())) as (address, _),
        pytest.raises(AskError, match=r"not JSON.*\*\*\*"),
    ):
        model(address).ask(ASK, "")


def test_a_key_that_is_a_common_word_does_not_change_answers(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "days")
    with server(said("30 days")) as (address, _):
        assert model(address).ask(ASK, "").text == "30 days"


def test_a_key_in_what_a_function_raises_is_not_shown(monkeypatch):
    monkeypatch.setenv("SOME_SERVICE_KEY", KEY)

    def bad(messages):
        raise ValueError(f"Bearer {KEY} was refused\n" + "x" * 1000)

    with pytest.raises(AskError) as caught:
        FunctionModel(bad).ask(ASK, "")
    assert KEY not in str(caught.value) and "***" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_connection_that_is_lost_after_an_answer_costs_one_question():
    with server(said("x")) as (address, _):
        asked = model(address, retries=0)
        asked.ask(ASK, "")
    with pytest.raises(LostError, match="the connection was lost"):
        asked.ask(ASK, "")


def test_a_run_ends_when_the_connection_is_lost_again_and_again():
    with server(said("x")) as (address, _):
        asked = model(address, retries=0, parallel=1)
        asked.ask(ASK, "")
    with pytest.raises(InputError, match="none of"):
        ctxmem.blame(_questions(12), model=asked, expected=_expected(12))


def _questions(count):
    return [
        {"query": f"How long is number {i}?", "hits": [{"text": f"Number {i} is {i} days long."}]}
        for i in range(count)
    ]


def _expected(count):
    return {f"How long is number {i}?": f"{i} days" for i in range(count)}


def test_a_function_that_never_answers_ends_the_run_and_one_that_sometimes_does_not():
    calls = []

    def never(messages):
        calls.append(1)
        raise RuntimeError("no such device")

    def seldom(messages):
        calls.append(1)
        if len(calls) % 9:
            raise RuntimeError(f"request {len(calls)} failed")
        return "3 days"

    with pytest.raises(InputError, match=r"answered none of 10 requests.*no such device"):
        ctxmem.blame(_questions(12), model=never, expected=_expected(12))
    assert len(calls) == 10
    found = ctxmem.blame(_questions(12), model=seldom, expected=_expected(12))
    assert found.faults["unknown"]["count"] >= 10
    said = " ".join(str(found).split())
    assert "Whether the answer is right is not known of 1" in said
    assert "questions of unknown fault are not among them" in said
    assert "for other reasons, which --json lists" in said
    head = str(found).partition("\nQuestions\n")[0]
    assert "other reasons, which --json lists" in head and head.count(" failed") == 5


def test_a_judge_that_never_judges_ends_the_run():
    def judge(question, expected):
        return True

    with pytest.raises(InputError, match=r"none of 10 judgements came.*takes 2 positional"):
        ctxmem.blame(_questions(12), model=lambda _: "x", judge=judge)


def test_replies_of_clients_are_read():
    class Message:
        def __init__(self):
            self.content = [{"type": "text", "text": "30 "}, "days"]

    class Completion:
        choices = ()

        def model_dump(self):
            return {"choices": [{"message": {"content": "30 days"}}]}

    async def later(messages):
        return "30 days"

    for reply in (Message(), Completion()):
        assert FunctionModel(lambda _, reply=reply: reply).ask(ASK, "").text == "30 days"
    with pytest.raises(AskError, match="is async"):
        FunctionModel(later).ask(ASK, "")


def test_models_made_with_other_settings_have_other_answers():
    class Client:
        def __init__(self, name, key="k"):
            self.model_name, self.api_key, self.calls = name, key, 0

        def invoke(self, messages):
            self.calls += 1
            return self.model_name

    def ask(messages, name="small"):
        return name

    def made(name):
        return lambda messages: name

    def identity(function):
        return FunctionModel(function, "one").identity("")

    used = Client("a")
    used.invoke([])
    for same, other in (
        ((Client("a").invoke, used.invoke, Client("a", "other").invoke), Client("b").invoke),
        ((functools.partial(ask, name="a"),) * 2, functools.partial(ask, name="b")),
        ((made("a"), made("a")), made("b")),
    ):
        assert len({json.dumps(identity(one)) for one in same}) == 1
        assert identity(same[0]) != identity(other)


@pytest.mark.parametrize("key", [f"{KEY}\nX-Other: 1", f"{KEY}\u2026"])
def test_a_key_that_no_header_can_hold_is_not_shown(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with (
        server(said("x")) as (address, seen),
        pytest.raises(RefusedError, match="OPENAI_API_KEY holds a line break") as caught,
    ):
        model(address).ask(ASK, "")
    assert KEY not in str(caught.value) and not seen


def test_nothing_is_asked_if_the_answers_cannot_be_kept(tmp_path):
    (tmp_path / "file").write_text("")
    asked = []
    with pytest.raises(InputError, match="cannot be written"):
        ctxmem.blame(
            _questions(2),
            model=lambda _: asked.append(1),
            expected=_expected(2),
            cache=tmp_path / "file" / "kept",
        )
    assert not asked


def test_a_first_connection_that_is_dropped_costs_one_question():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.close_connection = True

        def log_message(self, *_):
            pass

    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with pytest.raises(LostError, match="the connection was lost"):
            model(f"http://127.0.0.1:{one.server_port}", retries=0).ask(ASK, "")
    finally:
        one.shutdown()
        one.server_close()
