"""Signatures of thoughts and encrypted reasoning: what the upstream made, it knows again."""

from __future__ import annotations

import base64
import hashlib

from .refusal import Refusal


def signature_of(thinking: str) -> str:
    """Return the signature that the upstream gives a thought; only this one is taken back."""
    digest = hashlib.blake2b(thinking.encode(), key=b"upstream", digest_size=24).digest()
    return base64.b64encode(digest).decode()


def encrypted(text: str) -> str:
    """Return the encrypted content that the upstream gives a reasoning; only this is taken back."""
    digest = hashlib.blake2b(text.encode(), key=b"upstream", digest_size=24).digest()
    return "gAAAAA" + base64.urlsafe_b64encode(digest + text.encode()).decode()


def decrypted(content: str) -> str:
    """Return the reasoning inside, or refuse what the upstream did not make."""
    try:
        data = base64.urlsafe_b64decode(content.removeprefix("gAAAAA"))
        text = data[24:].decode()
    except ValueError:
        text = ""
    if encrypted(text) != content:
        raise Refusal(
            f"The encrypted content {content[:8]}... could not be verified.",
            code="invalid_encrypted_content",
        )
    return text
