"""Tell what a user asks from what a program writes in the user's name.

Agents put reminders, the state of the editor and the output of commands into user messages. Such a
note is no question: the task of a session is the last message in which the person speaks.
"""

from __future__ import annotations

import re

NOTE_TAGS = frozenset(
    {
        # Claude Code (transcripts, 2026-11)
        *("system-reminder", "local-command-stdout", "local-command-stderr", "command-name"),
        *("command-message", "command-args", "local-command-caveat", "task-notification"),
        *("user-prompt-submit-hook", "post-tool-use-hook", "ide_opened_file", "ide_selection"),
        *("bash-stdout", "bash-stderr", "new-diagnostics", "total_tokens", "budget"),
        # Codex (rollout files, 2026-11)
        *("environment_context", "user_instructions", "turn_aborted", "permissions"),
        # Cline, Roo Code, Gemini CLI, OpenCode, OpenHands (issue threads, 2026-11)
        *("environment_details", "explicit_instructions", "session_context", "system_reminder"),
        *("file_diagnostics", "runtime_information", "extra_info", "context_window"),
        *("system_warning", "system-warning", "system_notification", "system-notification"),
        *("reminder", "notification", "system", "note", "context", "hook_context"),
    }
)
"""Tags of which a user message may consist without a word of the person."""

_ELEMENT = re.compile(r"\s*<([A-Za-z][\w.:-]*)(?:\s[^<>]*)?>")
_BRACKETED = re.compile(
    r"\s*[\[(]\s*(?:system|reminder|automatic|automated|note from the system|request interrupted"
    r"|(?:user )?(?:interrupted|cancelled|canceled|aborted))"
    r"\b[^\]\n]*[\])]\s*\Z",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"\s*(?:system reminder|reminder|system note)\s*:", re.IGNORECASE)
_OPENERS = frozenset("<[( \n\t\rrRsS")


def is_note(text: str) -> bool:
    """Return whether a text of the user's role is a program's: nothing but reminders and states.

    >>> is_note("<system-reminder>the list is empty</system-reminder>")
    True
    >>> is_note("<system-reminder>the list is empty</system-reminder> Please go on.")
    False
    """
    if not text or text[0] not in _OPENERS:
        return False
    if _BRACKETED.match(text) or _LABELLED.match(text):
        return True
    at, end = 0, len(text)
    while end and text[end - 1].isspace():
        end -= 1
    if not end or text[end - 1] != ">":
        return False
    while at < end:
        opened = _ELEMENT.match(text, at)
        if opened is None or opened.group(1).lower() not in NOTE_TAGS:
            return False
        close = f"</{opened.group(1)}>"
        at = text.find(close, opened.end())
        if at < 0:
            return False
        at += len(close)
        while at < end and text[at].isspace():
            at += 1
    return True
