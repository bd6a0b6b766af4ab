"""ctxmem serve: the gateway, in front of any client."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import Any

from ctxmem.cli.reading import DONE, whole
from ctxmem.errors import InputError, MissingExtraError

EXAMPLES = (
    "ctxmem serve --demo",
    "ctxmem serve --upstream https://api.openai.com",
    "ctxmem serve --upstream https://api.anthropic.com --mode manage --budget 60000",
)


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    serve = commands.add_parser(
        "serve",
        help="run the gateway between clients and a provider: observe, guard or manage requests",
        description="Pass the requests of any client on to a provider. 'observe' changes nothing "
        "and shows what fills the windows; 'guard' repairs what would be refused and trims what is "
        "too long; 'manage' keeps conversations within a budget, for no more than passing them "
        "through costs.",
    )
    serve.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="URL",
        help="address of the provider; may be given twice, as openai=URL and anthropic=URL",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=8787, help="port to listen on (8787)")
    serve.add_argument(
        "--mode",
        choices=("observe", "guard", "manage"),
        default="observe",
        help="what is done with requests, see above (observe)",
    )
    serve.add_argument(
        "--budget",
        type=whole,
        metavar="N",
        help="in the modes guard and manage: tokens that a request may have (default: the window "
        "of the model); a request whose system message and tools alone have more is passed on",
    )
    serve.add_argument(
        "--prices", metavar="ROW", help="row of the price table (default: by provider and model)"
    )
    serve.add_argument(
        "--store",
        metavar="PATH|URL",
        help="where conversations are stored: a file, or a postgresql:// or redis:// URL, for "
        "which all machines need the same CTXMEM_GATEWAY_SECRET",
    )
    serve.add_argument(
        "--token",
        help="what clients have to send in the header x-ctxmem-token; required if other machines "
        "can connect; may also be set in CTXMEM_GATEWAY_TOKEN",
    )
    serve.add_argument(
        "--recall",
        action="store_true",
        help="offer the model a tool that reads what has left the window",
    )
    serve.add_argument(
        "--tools",
        type=int,
        metavar="N",
        help="tokens that tool definitions may have; the model can search for those left out",
    )
    serve.add_argument(
        "--counter",
        metavar="NAME",
        help="model, encoding or tokenizer file (default: by the model)",
    )
    serve.add_argument(
        "--proxy",
        default="",
        metavar="URL|env",
        help="proxy between the gateway and the provider; env takes the one in the environment",
    )
    serve.add_argument(
        "--max-body", type=int, default=512, metavar="MB", help="size of the largest request (512)"
    )
    serve.add_argument(
        "--show-text", action="store_true", help="show texts of conversations on the page"
    )
    serve.add_argument(
        "--log",
        choices=("text", "json"),
        default="text",
        help="format of the log on stderr; text has warnings and errors, json also requests (text)",
    )
    serve.add_argument(
        "--workers", type=int, default=1, metavar="N", help="number of processes (1)"
    )
    serve.add_argument(
        "--demo",
        action="store_true",
        help="show the page with scripted clients and a simulated provider",
    )
    serve.add_argument(
        "--demo-seconds", type=float, metavar="N", help="end the demonstration after N seconds"
    )
    serve.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    # Of a Ctrl-C between "listening" and the first turn of the loop.
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    try:
        from ctxmem.gateway.demo.running import run_demo
        from ctxmem.gateway.serving import serve
        from ctxmem.gateway.settings import Settings
    except ImportError as error:
        raise MissingExtraError(
            f"ctxmem serve needs {error.name}, which is not installed; install it with "
            "pip install 'ctxmem[serve]'"
        ) from error
    if arguments.demo:
        run_demo(port=arguments.port, ready=_say, seconds=arguments.demo_seconds)
        return DONE
    names = (
        "host",
        "port",
        "mode",
        "budget",
        "prices",
        "token",
        "recall",
        "tools",
        "counter",
        "proxy",
        "log",
    )
    given = {name: getattr(arguments, name) for name in names}
    given["token"] = arguments.token or os.environ.get("CTXMEM_GATEWAY_TOKEN") or None
    if arguments.store:
        given["store"] = arguments.store
    settings = Settings(
        upstreams=_upstreams(arguments.upstream),
        show_text=arguments.show_text,
        workers=arguments.workers,
        most_body=arguments.max_body << 20,
        **given,
    )
    serve(settings, _say)
    return DONE


def _say(settings: Any) -> None:
    """Say where the gateway is: first in a line for programs, whose second word is the address."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where = f"http://{host}:{settings.port}"
    print(f"listening {where}", file=sys.stderr)
    print(
        f"ctxmem serve: mode {settings.mode}, page at {where}/ctxmem/", file=sys.stderr, flush=True
    )
    if settings.token:
        print("ctxmem serve: clients have to show the token in x-ctxmem-token", file=sys.stderr)


def _upstreams(given: list[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for one in given:
        name, equals, url = one.partition("=")
        key, value = (name, url) if equals and "/" not in name else ("", one)
        if key in made:
            raise InputError(f"two upstreams are given for {key or 'all requests'}")
        made[key] = value
    return made
