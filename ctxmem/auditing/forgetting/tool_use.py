"""What a call of a tool does: which file it reads, which command it runs, what it changes."""

from __future__ import annotations

import re
import shlex
from typing import Any

from ctxmem.auditing.forgetting.blocks import Block, written

_PATHS = frozenset(
    "path filepath filename file notebookpath absolutepath targetfile relativepath uri document "
    "documentid".split()
)
"""Arguments that name a file, without underscores and in lower case."""
_COMMANDS = ("command", "cmd", "script", "commands", "shell_command", "action")
_SHELL = re.compile(r"bash|shell|terminal|console|(?:^|_)(?:cmd|exec|zsh)|command", re.IGNORECASE)
_SHELL_INPUTS = ("input", "code", "text", "line", "keystrokes")
_READ = re.compile(
    r"(?:^|[_.-])(?:read|view|open|cat|show|load|fetch|get|retrieve|download|extract|browse|visit"
    r"|scrape|crawl|display|lesen|lies|[öo]e?ffne\w*|lire|lis(?:$|_)|ouvrir|leer|abrir|leggi|apri)",
    re.IGNORECASE,
)
_LOOKS = re.compile(
    r"(?:^|[_.-])(?:check|run|test|exec\w*|lint|count|stat|info|search|list|ls|find|grep|glob|query"
    r"|compile|build|format|validate|analy\w+|convert|call|api|http|request|diff|blame|log|history)"
    r"(?:$|[_.-])",
    re.IGNORECASE,
)
"""Names of tools that do something else with a path than to read what is there."""
_DOCUMENT = re.compile(
    r"(?:^|[_.-])(?:pages?|docs?|documents?|files?|articles?|notes?|notebooks?|attachments?|pdf"
    r"|drive|transcripts?|wiki|kb|datei|dokument|seite|fichier|archivo|documento|página|pagina)"
    r"(?:$|[_.-])",
    re.IGNORECASE,
)
_SHAPED = re.compile(
    r"(?:https?|file|s3|gs)://[^\s*]+|(?:[A-Za-z]:)?(?:[\w .~/\\-]|/@)*[\w~-]\.[A-Za-z]\w{0,7}"
)
"""The form of a path, with an extension, or of an address."""
_CHANGE = re.compile(
    r"(?:^|[_.-])(?:write|edit|update|create|delete|remove|insert|replace|patch|apply|move|rename"
    r"|set|add|put|post|send|book|cancel|modify|save|upload|commit|push|submit|reset|restart|deploy"
    r"|install|approve|assign|transfer|refund|pay|charge|exchange|return)(?:[_.-]|$)",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_READERS = frozenset("cat head tail less more bat batcat nl type open gc get-content".split())
_FILTERS = [[name] for name in "cat head tail less more nl sed bat".split()]
"""Programs that show what another prints, or a part of it."""
_GOES = re.compile(r"^\s*cd\s+[^\s;&|]+\s*(?:&&|;)\s*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_WINDOWS = re.compile(r"\b[A-Za-z]:\\|(?<!\S)\.{1,2}\\")
_SHELL_CHANGES = re.compile(
    r"(?:^|[;&|(]\s*|\bsudo\s+|\bxargs\s+)(?:rm|mv|cp|mkdir|rmdir|touch|chmod|chown|ln|tee|kill|dd"
    r"|patch|apply_patch|truncate|edit|create|insert|submit"
    r"|sed\s+(?:-\w+\s+)*-i|perl\s+-\w*i"
    r"|git\s+(?:add|commit|checkout|switch|pull|push|merge|rebase|reset|stash|apply|cherry-pick"
    r"|rm|mv"
    r"|clean|restore|clone|revert|tag|init)"
    r"|(?:pip3?|uv|npm|pnpm|yarn|poetry|cargo|apt|apt-get|brew|gem|go|conda)\s+"
    r"(?:install|add|remove|uninstall|update|upgrade|get|i|ci|sync)"
    r"|docker\s+(?:run|build|rm|stop|start|restart|compose|push)"
    r"|kubectl\s+(?:apply|delete|scale|rollout|create|patch|edit|set)"
    r"|terraform\s+(?:apply|destroy|import)|systemctl\s+(?:start|stop|restart|enable|disable))\b"
    r"|(?<![<>=\d&-])>{1,2}(?!&)\s*(?!/dev/null)[\w./~$\"']",
    re.IGNORECASE,
)
_WATCHES = re.compile(
    r"(?:^|[_.-])(?:status|poll|wait|watch|health|heartbeat|progress|ping|sleep|time|now|todo\w*"
    r"|task\w*|think|plan)(?:$|[_.-])",
    re.IGNORECASE,
)
_WATCH_COMMANDS = re.compile(
    r"(?:^|[;&|]\s*)(?:\S*/)?(?:date|uptime|ps|top|htop|sleep|watch|ping|wait|jobs|free|df"
    r"|nvidia-smi|docker (?:ps|logs|stats)|kubectl (?:-\S+ \S+ )*(?:logs|describe|top"
    r"|get (?:po|pods?|jobs?|events?|all)\b|get .*(?:-w|--watch)\b)|tail -f|journalctl"
    r"|systemctl status|curl|gh (?:run|pr) (?:view|checks|watch|list|status))\b",
    re.IGNORECASE,
)
_CHECKS = re.compile(
    r"\b(?:py\.?test|tests?|jest|vitest|mocha|tox|nox|make|build|compile|lint|ruff|mypy|pyright|tsc"
    r"|eslint|check|clippy|vet|gradle\w*|mvn|ci|coverage|bench\w*"
    r"|git (?:status|diff)|npm (?:test|run)|yarn|pnpm)\b",
    re.IGNORECASE,
)
_LOOKS_UP = re.compile(
    r"(?:cd \S+ && )?(?:grep|rg|ag|ls|find|fd|tree|wc|stat|file|which|cat|head|tail|sed -n|awk"
    r"|git (?:log|show|blame|grep|ls-files)|jq|psql|sqlite3|man|pip show|pip list)\b",
    re.IGNORECASE,
)
_POLITE = frozenset({"description", "explanation", "timeout", "run_in_background", "reason"})
"""Arguments that change with the wording and not with what is done."""


def path_read(call: Block) -> str:
    """Return the file, the page or the document that a call reads, "" if it reads none."""
    command = command_of(call)
    if command:
        return _path_in(command)
    if not isinstance(call.body, dict) or changes(call):
        return ""
    name = _CAMEL.sub("_", call.name)
    if _editor_command(call) or _READ.search(name):
        return path_of(call) or _document(call, name)
    if _LOOKS.search(name) or _asks_more(call):
        return ""
    return _shaped(call) or (_document(call, name) if _DOCUMENT.search(name) else "")


def path_of(call: Block) -> str:
    """Return the file that a call is about, "" if it names none."""
    body = call.body if isinstance(call.body, dict) else {}
    for key, value in body.items():
        if str(key).replace("_", "").lower() in _PATHS and isinstance(value, str):
            return "" if "\n" in value else value
    return _shaped(call)


def _shaped(call: Block) -> str:
    """Return the argument that has the form of a path or an address, "" if not just one has."""
    body = call.body if isinstance(call.body, dict) else {}
    found = []
    for key, value in body.items():
        texts = value if isinstance(value, list) else [value]
        if str(key) not in _POLITE and all(
            isinstance(text, str) and _SHAPED.fullmatch(text) for text in texts
        ):
            found.append(", ".join(texts))
    return found[0] if len(found) == 1 else ""


def _document(call: Block, name: str) -> str:
    """Return the title or the id of a document that a tool opens, "" where it opens none."""
    if _LOOKS.search(name):
        return ""
    given = [
        (key, value)
        for key, value in call.body.items()
        if isinstance(value, str) and key not in _POLITE
    ]
    if len(given) != 1 or "\n" in given[0][1]:
        return ""
    named = _DOCUMENT.search(name) or _DOCUMENT.search(_CAMEL.sub("_", str(given[0][0])))
    return given[0][1] if named else ""


def _asks_more(call: Block) -> bool:
    """Return whether a call has an argument that says more than where to read, and how much."""
    return any(
        isinstance(value, str)
        and str(key) not in _POLITE
        and not _SHAPED.fullmatch(value)
        and not re.fullmatch(r"[\w.-]*", value)
        for key, value in call.body.items()
    ) or bool({"pattern", "query", "method"} & set(call.body))


def command_of(call: Block) -> str:
    """Return the command that a call runs in a shell, "" if it runs none."""
    body = call.body
    if _editor_command(call):
        return ""
    if isinstance(body, str):
        return body if call.name.lower() in ("bash", "shell", "terminal", "execute") else ""
    if not isinstance(body, dict):
        return ""
    shell = _SHELL.search(call.name)
    words = body.get("args")
    if isinstance(words, list) and len(body) == 1 and all(isinstance(w, str) for w in words):
        return " ".join([call.name, *words])
    for key in (*_COMMANDS, *(_SHELL_INPUTS if shell else ())):
        value = body.get(key)
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return " ".join(value[2:] if value[1:2] in (["-c"], ["-lc"]) else value)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _editor_command(call: Block) -> str:
    """Return what an editor is asked for, such as "view", "" where a call is none of an editor."""
    body = call.body if isinstance(call.body, dict) else {}
    for key in ("command", "action", "operation", "mode"):
        command = body.get(key)
        if isinstance(command, str) and command.isidentifier() and path_of(call):
            return command
    return ""


def _path_in(command: str) -> str:
    """Return the one file that a command prints, as a whole or in part."""
    command = _GOES.sub("", command)
    if re.search(r"&&|\|\||[;<>\n]", _QUOTED.sub("", command)):
        return ""
    first, *filters = [_words(part) for part in command.split("|")]
    if any(words[:1] not in _FILTERS for words in filters) or len(first) < 2:
        return ""
    if first[0] == "awk" and "NR" in first[1]:
        return first[-1] if len(first) == 3 else ""
    if first[0] == "sed":
        return first[-1] if "-n" in first else ""
    files = [word for word in first[1:] if not word.startswith("-") and not word.isdigit()]
    return files[0] if first[0].lower() in _READERS and len(files) == 1 else ""


def _words(command: str) -> list[str]:
    if _WINDOWS.search(command):
        return [word.strip("\"'") for word in command.split()]
    try:
        return shlex.split(command)
    except ValueError:
        return []


def same_action(call: Block) -> str:
    """Return what two calls have in common that ask for the same."""
    command = command_of(call)
    if command:
        return f"$ {' '.join(command.split())}"
    body = call.body
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if key not in _POLITE}
    return f"{call.name} {written(body)}"


def changes(call: Block) -> bool:
    """Return whether a call changes something: a file, a booking, a machine."""
    command = command_of(call)
    if command:
        return bool(_SHELL_CHANGES.search(command))
    editor = _editor_command(call)
    if editor:
        return not _READ.search(editor)
    return bool(_CHANGE.search(_CAMEL.sub("_", call.name)))


def watches(call: Block) -> bool:
    """Return whether a call looks at what changes by itself, such as a status or the time."""
    command = command_of(call)
    if command:
        return bool(_WATCH_COMMANDS.search(command))
    return bool(_WATCHES.search(_CAMEL.sub("_", call.name)))


def is_command(call: Block) -> bool:
    """Return whether a call runs in a shell."""
    return bool(command_of(call))


def purpose(call: Block) -> str:
    """Return what a call is made for: "check" of what was changed, "look_up", or "run".

    A check is made after every change, a look-up has the same result unless what it looks at was
    changed, and what the result of another command depends on is unknown.
    """
    command = command_of(call)
    if not command:
        return "look_up"
    if _LOOKS_UP.match(command):
        return "look_up"
    return "check" if _CHECKS.search(command) else "run"


def values_of(body: Any, longest: int = 400) -> list[str]:
    """Return the short texts among the arguments of a call: no contents of files."""
    if isinstance(body, str):
        return [body] if len(body) <= longest and "\n" not in body.strip() else []
    if isinstance(body, dict):
        return [one for value in body.values() for one in values_of(value, longest)]
    if isinstance(body, list):
        return [one for value in body[:50] for one in values_of(value, longest)]
    return [str(body)] if isinstance(body, int) and not isinstance(body, bool) else []
