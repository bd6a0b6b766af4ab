"""What later steps refer to by name is an identifier; times of day and fields of JSON are none."""

from __future__ import annotations

import json

import pytest

from ctxmem.memory.identifiers import identifiers

NAMED = [
    *("src/app.py", "getUser", "user_id", "HAT017", "v1.2.3", "2026-11-28", "ord_17", "a@b.org"),
    *("#W5199551"[1:], "127.0.0.1:8080", "localhost:9001", "10:20:30:40:ab:cd", "main.go:12"),
    *("AB12-34", "4fe21ab", "123456", "T-1000", "gpt-4o", "x86_64", "utf8_bin", "p95_ms"),
]
UNNAMED = [
    *("12:03", "9:45", "09:45:10", "23:59:59.123", "7:30am", "12:03Z", "12:00pm", "00:00:00"),
    *("hello", "12", "3.14", "99999", "p3", "p3-p9"),
]


@pytest.mark.parametrize("name", NAMED)
def test_a_name_is_an_identifier(name):
    assert name in identifiers(f"We use {name} here.")


@pytest.mark.parametrize("name", UNNAMED)
def test_a_time_of_day_or_a_number_is_none(name):
    assert identifiers(f"We use {name} here.") == ()


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "key", ["user_id", "createdAt", "order_items", "is_active", "zip_code", "firstName"]
)
def test_a_field_of_json_is_none_and_its_value_is(key, indent):
    text = json.dumps([{key: "ord_17"}, {key: "ord_18"}], indent=indent)
    assert identifiers(text) == ("ord_17", "ord_18")
    assert identifiers(json.dumps({"text": text})) == ("ord_17", "ord_18")


@pytest.mark.parametrize("key", ["HAT017", "ord_17", "src/app.py", "W5199551"])
def test_a_key_that_is_an_id_is_one(key):
    assert key in identifiers(json.dumps({key: {"state": "open"}}))
