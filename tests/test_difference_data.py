"""Data and code: every word that another one replaces is a difference; prose has synonyms."""

from __future__ import annotations

import json

import pytest

import ctxmem
from ctxmem import Chunk, differences, find_near_duplicates

# A text in which `{}` is the fact, and the two words that it may be.
FORMS = {
    "json": ('{{"name": "{}", "role": "admin", "team": "core"}}', "mike", "nina"),
    "json over lines": ('{{\n  "name": "{}",\n  "team": "core"\n}}', "mike", "nina"),
    "json key": ('"{}": {{"type": "object", "items": "text"}}', "ListCampaigns", "ListSocialOnes"),
    "python literal": ("row = {{'name': '{}', 'role': 'admin'}}", "mike", "nina"),
    "yaml key": ("{}:\n  image: base\n  restart: always", "worker", "mailer"),
    "yaml value": ("service: {}\nimage: base\nrestart: always", "worker", "mailer"),
    "yaml item": ("users:\n  - {}\n  - peter", "mike", "nina"),
    "ini": ("[service]\nmode={}\nretry=always", "strict", "loose"),
    "function": ("def {}(row):\n    return row.get(key)", "user", "order"),
    "class": ("class {}:\n    pass", "user", "order"),
    "call": ("client.{}(row, key)", "insert", "add"),
    "import": ("import {}\nimport yaml", "numpy", "pandas"),
    "fence": ("Run this:\n```\ngit checkout {}\n```", "main", "develop"),
    "sql": ("INSERT INTO people (name, role) VALUES ('{}', 'admin');", "mike", "nina"),
    "sql in small letters": ("select name from {} where role = 'admin';", "users", "orders"),
    "sql column": ("CREATE TABLE trip (\n  {} TEXT,\n  boat TEXT\n);", "port", "berth"),
    "table": ("| name | role |\n|---|---|\n| {} | admin |", "mike", "nina"),
    "csv": ("name,role,city\n{},admin,oslo", "mike", "nina"),
    "csv with semicolons": ("name;role;city\n{};admin;oslo", "mike", "nina"),
    "tabs": ("name\trole\tcity\n{}\tadmin\toslo", "mike", "nina"),
    "columns": ("mike      {}    oslo\npeter     admin    bonn", "admin", "guest"),
    "log": ("2024-05-01 10:00:00 job {} started on the host", "worker", "mailer"),
    "log with a level": ("WARN the job {} was late and is started again", "worker", "mailer"),
    "syslog": ("May 12 10:00:03 host sshd: the key of {} was refused", "mike", "nina"),
    "logfmt": ("The line status={} host=alpha was read by the job.", "ready", "busy"),
    "xml": ("<name>{}</name>", "mike", "nina"),
    "attribute": ("The tag <input type={}> is at the end of the page.", "text", "date"),
    "heading": ("## Rules for {}\nThe fee is due.", "guests", "visitors"),
    "member": ("Billing address: {}", "office", "bureau"),
    "bold member": ("**Owner:** {}", "office", "bureau"),
    "quoted word": ('Set the field to "{}" before the form is sent.', "big", "large"),
    "backticks": ("Call `{}` before the form is sent to the server.", "send", "submit"),
    "option": ("Run the tool with --{} and look at the page.", "force", "check"),
    "path": ("Copy the file to src/{}/main and look at the page.", "app", "lib"),
    "host": ("Connect to db.{}.example and look at the page.", "prod", "test"),
    "scheme": ("Connect to {}://example.org/a and look at the page.", "http", "https"),
    "camel case": ("The hook {} is called at the end of the page.", "onSend", "onSubmit"),
    "chain": ("The bucket logs-of-{} is emptied at the end of the month.", "berth", "port"),
    "synonyms of the lists": ("action: {}", "removed", "deleted"),
    "plural": ("table: {}", "user", "users"),
    "chinese member": ("姓名：{}", "王芳", "李明"),
    "chinese quotation": ("按钮的名称是「{}」，请点击它。", "保存", "发送"),
}


@pytest.mark.parametrize("form", FORMS)
def test_another_word_in_data_or_code_is_a_difference(form):
    frame, one, other = FORMS[form]
    a, b = frame.format(one), frame.format(other)
    there = [(x, y) for x, y, _ in differences(a, b)]
    assert len(there) == 1 and one in there[0][0] and other in there[0][1]
    assert [(y, x) for x, y in there] == [(x, y) for x, y, _ in differences(b, a)]
    assert [] == differences(a, a.upper())


PROSE = [
    ("The big flat is let to a family.", "The large flat is let to a family."),
    ("We rent the flat, the garage and the garden.", "We let the flat, the garage and the garden."),
    ("Note that the report was written by staff.", "Note that the study was written by staff."),
    (
        "He or she may call the owner; the owner lives in the house.",
        "He or she may ring the owner; the owner lives in the house.",
    ),
    ("Select the flat from the list of the agent.", "Choose the flat from the list of the agent."),
    ("- The big flat is let to a family.", "- The large flat is let to a family."),
    (
        "Fee: the large flat is let for the usual sum.",
        "Fee: the big flat is let for the usual sum.",
    ),
    (
        "(The flat) is big and the garden's gate is old.",
        "(The flat) is vast and the garden's gate is old.",
    ),
    ("The employee(s) rent a big flat.", "The employee(s) rent a large flat."),
    (
        "It costs 1,200.50 euros. The big flat is let.",
        "It costs 1,200.50 euros. The large flat is let.",
    ),
    ("The [old house](a/b.md#c) is let.", "The [old home](a/b.md#c) is let."),
    ("A job has the status ERROR if it is late.", "A task has the status ERROR if it is late."),
    ("漂亮的房屋租给了城里的家庭。", "美丽的房屋租给了城里的家庭。"),
]


@pytest.mark.parametrize(("one", "other"), PROSE)
def test_a_synonym_in_prose_is_no_difference(one, other):
    assert [] == differences(one, other) == differences(other, one)


def test_what_only_one_text_has_or_what_moved_is_no_other_word():
    one = '{"name": "mike", "role": "admin"}'
    assert [] == differences(one, '{"name": "mike", "role": "admin", "city": "oslo"}')
    assert [] == differences(one, '{"role": "admin", "name": "mike"}')
    assert [] == differences("name: mike\nrole: admin", "role: admin\nname: mike")
    assert [] == differences(one, json.dumps(json.loads(one), indent=4))


def test_each_text_has_a_member_that_the_other_lacks():
    one = "name: mike\nrole: admin\ncity: oslo\nteam: core"
    assert [("deputy", "alias", "identifier")] == differences(f"deputy:\n{one}", f"{one}\nalias:")


def test_values_that_changed_places_are_differences():
    assert differences('{"from": "mike", "to": "nina"}', '{"from": "nina", "to": "mike"}')
    assert differences("from: mike\nto: nina", "from: nina\nto: mike")


def test_data_far_apart_is_compared_without_its_order():
    rows = [f"w{chr(97 + i % 26)}{chr(97 + i // 26 % 26)},admin" for i in range(700)]
    one, other = "\n".join(rows), "\n".join(reversed(rows))
    assert [] == differences(one, other)
    assert [("mike", "nina", "identifier")] == differences(
        f"{one}\nmike,admin", f"nina,admin\n{other}"
    )


def test_records_with_another_value_stay_apart_where_texts_are_folded():
    record = '{{"name": "{}", "role": "admin", "team": "core", "city": "oslo", "floor": "top"}}'
    texts = [record.format(name) for name in ("mike", "nina")]
    assert [[0, 1]] == find_near_duplicates(texts)
    assert [] == find_near_duplicates(texts, careful=True)
    window = ctxmem.pack([Chunk(text, id=text[10:14]) for text in texts], 400)
    assert "mike" in window.text and "nina" in window.text
