"""Read how large media are from their own bytes: pixels, seconds and pages."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Any

from ctxmem.chat.shapes import get

Size = tuple[int, int]
"""Width and height in pixels."""

_HEADER_CHARACTERS = 1 << 17  # of base64; the size of a JPEG may follow a thumbnail
_FIELDS = ("source", "image_url", "input_audio", "file", "inlineData", "inline_data")
_BEDROCK = ("image", "document", "video", "audio")
_DATA = ("data", "base64", "bytes", "file_data", "image", "audio", "video", "url")
_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")


def data_of(block: Any) -> str | bytes | None:
    """Return the bytes that a block carries: base64 text, a data URL's, or bytes."""
    wrapped = (get(block, name) for name in _BEDROCK)
    block = next((inner for inner in wrapped if get(inner, "source") is not None), block)
    for name in (*_FIELDS, None):
        inner: Any = get(block, name) if name else block
        if isinstance(inner, str):
            inner = {"url": inner}
        if inner is None:
            continue
        for field in _DATA:
            data = get(inner, field)
            if isinstance(data, bytes) and data:
                return data
            if isinstance(data, str) and data:
                if data.startswith("data:"):
                    return data.partition(",")[2]
                if field != "url":
                    return data
    return None


def byte_count(data: str | bytes) -> int:
    """Return how many bytes these are, base64 text decoded."""
    if isinstance(data, bytes):
        return len(data)
    return len(data) * 3 // 4 - data.count("=", max(0, len(data) - 2))


def decoded(data: str | bytes, limit: int | None = None) -> bytes:
    """Return the bytes of base64 text (or of bytes that hold some), else the bytes themselves."""
    head = data[:limit]
    try:
        # LlamaIndex keeps base64 text as bytes; an image's own bytes never look like base64.
        text = head.encode("ascii") if isinstance(head, str) else head
        text = text.translate(_FROM_URL_SAFE) if isinstance(head, str) else text
        return base64.b64decode(text[: len(text) // 4 * 4], validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return head if isinstance(head, bytes) else b""


_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def image_size(data: str | bytes | None) -> Size | None:
    """Return width and height from the beginning of a PNG, GIF, WebP, BMP or JPEG file."""
    if not data:
        return None
    try:
        size = _size_in(decoded(data, _HEADER_CHARACTERS))
    except struct.error:
        return None
    return size if size and min(size) > 0 else None


def _size_in(head: bytes) -> Size | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        wide, high = struct.unpack_from(">II", head, 16)
    elif head[:6] in (b"GIF87a", b"GIF89a"):
        wide, high = struct.unpack_from("<HH", head, 6)
    elif head[:2] == b"BM":
        wide, high = map(abs, struct.unpack_from("<ii", head, 18))
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        low = struct.unpack_from("<HBHB", head, 24)
        wide, high = 1 + low[0] + (low[1] << 16), 1 + low[2] + (low[3] << 16)
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8 ":
        wide, high = (edge & 0x3FFF for edge in struct.unpack_from("<HH", head, 26))
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8L":
        bits = struct.unpack_from("<I", head, 21)[0]
        wide, high = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif head[:2] == b"\xff\xd8":
        return _size_in_jpeg(head)
    else:
        return None
    return int(wide), int(high)


def _size_in_jpeg(head: bytes) -> Size | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        # A frame header, of whatever coding; C4, C8 and CC in between are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            high, wide = struct.unpack_from(">HH", head, at + 5)
            return int(wide), int(high)
        at += 2 + int(struct.unpack_from(">H", head, at + 2)[0])
    return None


def wav_seconds(data: str | bytes | None) -> float | None:
    """Return the duration of a WAV file, None for any other: its data over its byte rate."""
    if not data:
        return None
    head = decoded(data, _HEADER_CHARACTERS)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    rate, at = 0, 12
    while at + 8 <= len(head):
        name, size = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"fmt " and at + 20 <= len(head):
            rate = struct.unpack_from("<I", head, at + 16)[0]
        if name == b"data" and rate:
            # A stream that was still open when its header was written states no true size.
            there = byte_count(data) - at - 8
            return float(min(size or there, there)) / rate
        at += 8 + size + size % 2
    return None


def mp4_seconds(data: str | bytes | None) -> float | None:
    """Return the duration of an MP4 or QuickTime file by its movie header, None for any other."""
    if not data or decoded(data, 64)[4:8] != b"ftyp":
        return None
    whole = decoded(data)
    at = whole.find(b"mvhd")
    try:
        if whole[at + 4] == 0:
            scale, length = struct.unpack_from(">II", whole, at + 16)
        else:
            scale, length = struct.unpack_from(">IQ", whole, at + 24)
    except (struct.error, IndexError):
        return None
    return length / scale if at >= 0 and scale and length else None


def pdf_pages(data: str | bytes | None) -> int | None:
    """Return the number of pages of a PDF, None for other files and where pages are compressed."""
    if not data or b"%PDF-" not in decoded(data, 1 << 10):
        return None
    whole = decoded(data)
    if b"/ObjStm" in whole:
        return None  # objects within compressed streams, pages among them
    return len(_PAGE.findall(whole)) or None
