"""Commands that a rule forbids, and whether a command line runs one of them.

A rule names a command by its program and the words behind it: "no kubectl commands with -n prod".
The programs are known; what comes behind them is read as far as it looks like a part of a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PROGRAMS = frozenset(
    "git gh npm npx yarn pnpm bun pip pip3 uv poetry conda cargo docker docker-compose podman"
    " kubectl helm terraform tofu pulumi ansible ansible-playbook aws gcloud az psql mysql sqlite3"
    " mongosh redis-cli curl wget ssh scp rsync sudo systemctl service apt apt-get dnf yum brew"
    " make cmake gradle mvn jest vitest pytest mocha tox rm dd chmod chown kill pkill killall sed"
    " awk perl node deno python python3 go vim nano alembic flyway prisma dbt airflow vercel"
    " netlify heroku flyctl unittest dvc mlflow svn hg duckdb nox bazel composer rails php dotnet"
    " nuget flutter adb ffmpeg rclone".split()
)
_ENGLISH = frozenset("make go node kill service sed perl python deno bun helm curl az".split())
"""Programs whose names are words: alone they name no command."""
_BETWEEN = frozenset("command commands call calls with flag option the a any".split())
_ENDS = frozenset(
    "in on at for to from by of and or nor but is are was be not never here there this that it"
    " anything ever at all again please unless except directly yourself without anymore any more"
    " instead where as because since so you we i must may can should will only nicht nie im auf"
    " hier bitte und oder dans sur ici et ou en aquí y o benutzen verwenden"
    " nutzen benutze verwende laufen lassen machen starten utiliser lancer usar ejecutar lanzar"
    " usare".split()
)
_WORD = re.compile(r"--?[\w][\w-]*|[\w][\w./:-]*|[,;:.!?()\"'“”—–]")
_FLAGS = re.compile(
    r"(?<!\w)(?:force[- ]push\w*|push(?:ing)? --force|--force|--no-verify)(?![\w-])"
)
_RUNNERS = frozenset(
    "sudo env time nohup nice npx bunx pnpx exec xargs command yarn pnpm npm bun uv uvx run poetry"
    " python python3 -m bundle doas".split()
)
_SPLIT = re.compile(r"&&|\|\||[;|\n&(){}]")
_INFINITIVE = re.compile(r"[a-z]{3,}(?:en|ern|eln)")  # of German: it ends a sentence
_MOST_WORDS = 3  # behind a program that a rule names
_SAME_FLAG = {"--force": "-f", "-f": "--force", "-rf": "-fr", "-fr": "-rf"}

Spec = tuple[str, ...]


def commands_in(text: str) -> list[Spec]:
    """Return the commands that a text names, each as its program and the words that go with it.

    >>> commands_in("terraform apply, that is for others; no kubectl commands with -n prod")
    [('terraform', 'apply'), ('kubectl', '-n', 'prod')]
    >>> commands_in("make changes and go on")
    [('make', 'changes')]
    """
    words = _WORD.findall(text)
    found: list[Spec] = []
    for i, word in enumerate(words):
        program = word.rstrip(".:").lower()
        if program not in _PROGRAMS or (i and words[i - 1].lower() in _PROGRAMS):
            continue
        behind = [] if word.endswith((".", ":")) else list(_behind(words[i + 1 :]))
        spec = (program, *behind)
        if behind or spec[0] not in _ENGLISH:
            found.append(spec)
    named = " ".join(" ".join(spec) for spec in found)
    found += [("", "--force" if "force" in m.group() else m.group())
              for m in _FLAGS.finditer(text) if "--force" not in named]  # fmt: skip
    return list(dict.fromkeys(found))


def _behind(words: list[str]) -> Iterator[str]:
    taken = 0
    for written in words:
        ended = written.endswith((".", ":"))
        word = written.rstrip(".:")
        low = word.lower()
        if (
            low in _ENDS
            or (taken and _INFINITIVE.fullmatch(low))
            or not word.isascii()
            or not re.match(r"[\w-]", word)
            or taken == _MOST_WORDS
        ):
            return
        if low in _BETWEEN:
            continue
        taken += 1
        yield word
        if ended:
            return


def runs(line: str, spec: Spec) -> bool:
    """Return whether a command line runs a command: its program, and its words in their order.

    >>> runs("cd api && git push origin main --force", ("git", "push", "--force"))
    True
    >>> runs("pnpm add left-pad", ("npm",)), runs("npx jest --coverage", ("jest",))
    (False, True)
    """
    return any(_is_run(part.split(), spec) for part in _SPLIT.split(line))


def _is_run(words: list[str], spec: Spec) -> bool:
    program, *wanted = spec
    at = 0
    if program:
        while at < len(words):
            name = words[at].rpartition("/")[2]
            if name == program:
                break
            if name not in _RUNNERS and "=" not in name:
                return False
            at += 1
        at += 1
        if at > len(words):
            return False
    for word in wanted:
        at = next((i + 1 for i in range(at, len(words)) if _same_word(words[i], word)), 0)
        if not at:
            return False
    return True


def _same_word(word: str, wanted: str) -> bool:
    word = word.strip("\"'")
    return word in (wanted, _SAME_FLAG.get(wanted), wanted.removesuffix("s"))
