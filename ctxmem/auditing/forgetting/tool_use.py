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
_READ = re.compile(r"(?:^|[_.-])(?:read|view|open|cat|show|load|fetch|get)", re.IGNORECASE)
_CHANGE = re.compile(
    r"(?:^|[_.-])(?:write|edit|update|create|delete|remove|insert|replace|patch|apply|move|rename"
    r"|set|add|put|post|send|book|cancel|modify|save|upload|commit|push|submit|reset|restart|deploy"
    r"|install|approve|assign|transfer|refund|pay|charge|exchange|return)(?:[_.-]|$)",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_READERS = frozenset("cat head tail less more bat nl type open".split())
_SHELL_CHANGES = re.compile(
    r"(?:^|[;&|(]\s*|\bsudo\s+|\bxargs\s+)(?:rm|mv|cp|mkdir|rmdir|touch|chmod|chown|ln|tee|kill|dd"
    r"|patch|apply_patch|truncate|edit|create|insert|submit"
    r"|sed\s+(?:-\w+\s+)*-i|perl\s+-\w*i"
    r"|git\s+(?:add|commit|checkout|switch|pull|push|merge|rebase|reset|stash|apply|cherry-pick|rm|mv"
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
    r"|nvidia-smi|docker (?:ps|logs|stats)|kubectl (?:get|logs|describe|top)|tail -f|journalctl"
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
    """Return the file that a call reads, "" if it reads none."""
    command = command_of(call)
    if command:
        return _path_in(command)
    if not isinstance(call.body, dict) or changes(call):
        return ""
    if not _editor_command(call) and not _READ.search(_CAMEL.sub("_", call.name)):
        return ""
    return path_of(call)


def path_of(call: Block) -> str:
    """Return the file that a call is about, "" if it names none."""
    body = call.body if isinstance(call.body, dict) else {}
    for key, value in body.items():
        if str(key).replace("_", "").lower() in _PATHS and isinstance(value, str):
            return "" if "\n" in value else value
    return ""


def command_of(call: Block) -> str:
    """Return the command that a call runs in a shell, "" if it runs none."""
    body = call.body
    if _editor_command(call):
        return ""
    if isinstance(body, str):
        return body if call.name.lower() in ("bash", "shell", "terminal", "execute") else ""
    if not isinstance(body, dict):
        return ""
    for key in _COMMANDS:
        value = body.get(key)
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return " ".join(value[2:] if value[1:2] in (["-c"], ["-lc"]) else value)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _editor_command(call: Block) -> str:
    """Return what an editor is asked for, such as "view", "" where a call is none of an editor."""
    command = call.body.get("command") if isinstance(call.body, dict) else None
    if isinstance(command, str) and command.isidentifier() and path_of(call):
        return command
    return ""


def _path_in(command: str) -> str:
    """Return the one file that a command prints."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    if words[:1] == ["cd"] and "&&" in words:
        words = words[words.index("&&") + 1 :]
    if any(word in ("|", "&&", ";", ">", "<", "||") for word in words) or len(words) < 2:
        return ""
    if words[0] == "sed" and "-n" in words:
        return words[-1]
    files = [word for word in words[1:] if not word.startswith("-") and not word.isdigit()]
    return files[0] if words[0] in _READERS and len(files) == 1 else ""


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
    changed, and of another command nobody knows what its result depends on.
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
