"""Hooks of `mkdocs build`: files above `docs/` are pages too, so that no text is in two places.

README.md is the front page; links that are right in the repository are made right on the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)")
_FENCED = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are above `docs/`."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the text of a page with links as the site needs them."""
    uri = page.file.src_uri
    source = next((name for name, made in PAGES.items() if made == uri), f"docs/{uri}")
    parts = _FENCED.split(markdown)
    for i in range(0, len(parts), 2):  # code stays as it is
        parts[i] = _LINK.sub(lambda link: _relinked(link, source, uri), parts[i])
    return "".join(parts)


def _relinked(link: re.Match[str], source: str, uri: str) -> str:
    image, text, target, anchor = link.groups()
    path = (ROOT / source).parent.joinpath(target).resolve()
    name = path.relative_to(ROOT).as_posix()
    if name in PAGES:
        name = PAGES[name]
    elif name.startswith("docs/"):
        name = name.removeprefix("docs/")
    else:  # a file of the repository that is not on the site
        return text if text.startswith("`") else f"`{name}`"
    up = "../" * uri.count("/")
    return f"{image}[{text}]({up}{name}{anchor or ''})"
