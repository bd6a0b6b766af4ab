"""The outline of records: JSON, configuration files, XML, SQL and logs."""

from __future__ import annotations

import pytest
from outlines import FILLER, RECORD, UNKNOWN, flagged, spans, texts, tied, units

from ctxmem import Chunk, pack

# JSON


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"a": 1, "b": [1, 2], "c": {"d": "x, y"}}',
            ['{"a": 1,', '"b": [1, 2],', '"c": {"d": "x, y"}}'],
        ),
        (
            '[{"a": 1, "b": "some words"},\n {"a": "]"}]\n',
            ['[{"a": 1, "b": "some words"},', '{"a": "]"}]'],
        ),
        ('{"x": 1}\n{"x": 2}\n', ['{"x": 1}', '{"x": 2}']),
    ],
)
def test_json_that_has_no_room_is_cut_by_element(text, expected):
    found = units(text, room=32)
    assert [("record", element, None) for element in expected] == found


def test_numbers_of_an_array_stay_together_up_to_a_line():
    pieces = texts("[" + ", ".join(f"{i}.25" for i in range(100, 200)) + "]")
    assert [13, 13, 13, 13, 13, 13, 13, 9] == [piece.count(".25") for piece in pieces]


def test_json_that_has_room_is_one_unit():
    text = '{"a": 1, "b": [1, 2], "c": {"d": "x, y"}}'
    assert [("record", text, None)] == units(text)


def test_json_below_a_line_is_its_own_unit():
    assert [
        ("prose", "Result:", None),
        ("record", '{"x": true,\n "y": null}', "Result:"),
    ] == units('Result:\n{"x": true,\n "y": null}')


def test_long_elements_of_json_are_cut_deeper():
    text = '{"rows": [' + ", ".join(f'{{"id": {i}, "v": "some words"}}' for i in range(99)) + "]}"
    assert 99 == len(texts(text))


def test_brackets_in_prose_are_no_json():
    assert [("prose", "[see below] is a note.")] == spans("[see below] is a note.")
    assert [("prose", "[1] Smith, A.")] == spans("[1] Smith, A.")


PRETTY = """{
  "name": "Anna",
  "limits": {
    "speed": 12.5,
    "load": null
  },
  "tags": ["old", "blue"]
}
"""


def test_members_of_an_object_need_its_key():
    assert [
        ("fence", "{", None),
        ("record", '"name": "Anna",', "{"),
        ("name", '"limits": {', "{"),
        ("record", '"speed": 12.5,', '"limits": {'),
        ("record", '"load": null', '"limits": {'),
        ("fence", "},", '"limits": {'),
        ("record", '"tags": ["old", "blue"]', "{"),
        ("fence", "}", "{"),
    ] == units(PRETTY)
    assert {"{": "}", '"limits": {': "},"} == tied(PRETTY)


def test_tabs_indent_json_as_spaces_do():
    assert {"{": "}", '"limits": {': "},"} == tied(PRETTY.replace("  ", "\t"))


def test_members_of_objects_in_an_array_need_the_key_of_the_array():
    text = '{\n  "crew": [\n    {\n      "role": "mate",\n      "name": "Kim"\n    }\n  ]\n}\n'
    needs = {said: need for _, said, need in units(text)}
    assert "{" == needs['"role": "mate",']
    assert ("name", '"crew": [', "{") in units(text)


def test_members_are_shown_between_brackets():
    assert ("record", '"name": "Anna",', "{") in units(PRETTY)


def test_each_line_of_json_is_a_record():
    lines = ['{"id": 1, "seats": 3}', '{"id": 2, "seats": 1}', '{"id": 3, "seats": 2}']
    assert [("record", line, None) for line in lines] == units("\n".join(lines) + "\n")


# YAML, TOML, INI, XML and SQL


def test_keys_of_yaml_are_names_of_what_is_deeper():
    text = """version: 2
gates:
  - name: north
    opens: "06:00"
  - name: south
pump:
  level: 3.0
  alarm:
    bell: true
"""
    assert [
        ("record", "version: 2", None),
        ("name", "gates:", None),
        ("name", "- name: north", "gates:"),
        ("record", 'opens: "06:00"', "- name: north"),
        ("record", "- name: south", "gates:"),
        ("name", "pump:", None),
        ("record", "level: 3.0", "pump:"),
        ("name", "alarm:", "pump:"),
        ("record", "bell: true", "alarm:"),
    ] == units(text)


def test_a_comment_at_the_top_of_yaml_is_a_comment():
    text = "# How gates open.\nversion: 2\ngates:\n  north: 06:00\n"
    assert "heading" not in [kind for kind, _, _ in units(text)]


def test_members_of_toml_need_their_table():
    text = '[pump]\nlevel = 3.0\nhosts = [\n  "north",\n]\n\n[[gate]]\nname = "south"\n'
    assert [
        ("heading", "[pump]", None),
        ("record", "level = 3.0", "[pump]"),
        ("name", "hosts = [", "[pump]"),
        ("record", '"north",', "hosts = ["),
        ("fence", "]", "hosts = ["),
        ("heading", "[[gate]]", None),
        ("record", 'name = "south"', "[[gate]]"),
    ] == units(text)
    assert {"hosts = [": "]"} == tied(text)


def test_members_of_ini_need_their_section():
    text = "[north]\nopens = 06:00\n; wide\nwidth = 12\n\n[south]\nwidth = 9\n"
    assert [
        ("heading", "[north]", None),
        ("record", "opens = 06:00", "[north]"),
        ("record", "; wide", "[north]"),
        ("record", "width = 12", "[north]"),
        ("heading", "[south]", None),
        ("record", "width = 9", "[south]"),
    ] == units(text)
    assert ["; wide"] == flagged(text, FILLER)


def test_a_comment_above_the_first_section_hides_nothing():
    text = "; gates\n[north]\nopens = 06:00\nwidth = 12\n"
    assert ("record", "width = 12", "[north]") in units(text)


@pytest.mark.parametrize("form", [UNKNOWN, RECORD])
def test_elements_of_xml_need_the_element_around_them(form):
    text = '<fleet>\n  <ship id="7">\n    <name>Anna</name>\n  </ship>\n</fleet>\n'
    assert ("record", "<name>Anna</name>", '<ship id="7">') in units(text, form)


def test_each_row_that_sql_inserts_is_a_record():
    lines = [f"INSERT INTO trip VALUES ({k}, {k}.20);" for k in range(1, 5)]
    assert [("record", line, None) for line in lines] == units("\n".join(lines))


def test_records_need_the_line_that_introduces_them():
    assert [
        ("prose", "These are the defaults:", None),
        ("record", "host = a", "These are the defaults:"),
        ("record", "port = 3", "These are the defaults:"),
    ] == units("These are the defaults:\n\nhost = a\nport = 3\n")


# Logs


def test_log_lines_begin_a_unit():
    lines = ["2024-05-01 12:00:03 INFO started", "2024-05-01 12:00:04 WARN low disk"]
    assert lines == texts("\n".join(lines))


def test_each_line_of_a_log_is_a_record():
    lines = [f"2024-05-01 06:00:0{k} INFO gate {k} opened" for k in range(4)]
    assert [("record", line, None) for line in lines] == units("\n".join(lines))


def test_a_traceback_needs_the_line_of_the_log_above_it():
    error = "2024-05-01 06:01:00 ERROR pump stopped"
    trace = 'Traceback (most recent call last):\n  File "pump.py", line 3\nStopped: dry'
    lines = [f"2024-05-01 06:00:0{k} INFO gate {k} opened" for k in range(3)]
    found = units("\n".join([*lines, error, trace, *lines]))
    assert [error] == [need for _, said, need in found if said.startswith("Traceback")]
    assert 2 * lines == [said for kind, said, _ in found if kind == "record" and "INFO" in said]


def test_a_key_that_the_text_ends_with_has_lost_what_it_names():
    text = "services:\n  django:\n    ports:\n      - 8001\n  fastapi:"
    assert ("name", "fastapi:", "services:") == units(text, RECORD)[-1]
    compose = Chunk(text, source="compose.yml")
    others = "The pump runs on Mondays and on all other days. " * 9
    shown = pack([compose, others], 60, query="ports of django").text
    assert "services:\n  django:\n    ports:\n      - 8001" in shown
    assert "fastapi" not in shown
    assert text == pack([compose], 100, query="ports of django").text  # all else is shown


SERVICES = """{
  "services": [
    {
      "name": "billing",
      "env": {"HOST": "db1", "PORT": 5432}
    },
    {
      "name": "mail",
      "env": {"HOST": "db2", "PORT": 6543}
    }
  ]
}
"""


def test_the_members_of_an_entry_need_the_one_that_names_it():
    needs = {said: need for _, said, need in units(SERVICES, RECORD)}
    assert '"name": "billing",' == needs['"env": {"HOST": "db1", "PORT": 5432}']
    assert '"name": "mail",' == needs['"env": {"HOST": "db2", "PORT": 6543}']
    assert "{" == needs['"name": "mail",']


@pytest.mark.parametrize("key", ["id", "order_id", "userId", "title", "SKU"])
def test_an_entry_is_named_by_its_first_key_if_that_identifies(key):
    text = SERVICES.replace('"name"', f'"{key}"')
    needs = {said: need for _, said, need in units(text, RECORD)}
    assert f'"{key}": "mail",' == needs['"env": {"HOST": "db2", "PORT": 6543}']


@pytest.mark.parametrize("key", ["enabled", "comment", "paid", "1"])
def test_another_first_key_names_nothing(key):
    text = SERVICES.replace('"name"', f'"{key}"')
    needs = {said: need for _, said, need in units(text, RECORD)}
    assert "{" == needs['"env": {"HOST": "db2", "PORT": 6543}']


def test_elements_of_one_kind_are_named_by_their_first_child():
    text = (
        "<orders>\n  <order>\n    <id>7</id>\n    <total>30</total>\n  </order>\n"
        "  <order>\n    <id>8</id>\n    <total>45</total>\n  </order>\n</orders>\n"
    )
    needs = {said: need for _, said, need in units(text, RECORD)}
    assert "<id>8</id>" == needs["<total>45</total>"]


@pytest.mark.parametrize("budget", range(20, 80, 4))
def test_no_window_shows_a_value_without_the_name_of_its_entry(budget):
    chunk = Chunk(SERVICES, source="services.json")
    shown = pack([chunk], budget, query="Which PORT has the mail service?").text
    assert '"mail"' in shown or "6543" not in shown
    assert '"billing"' in shown or "5432" not in shown


# Keys of YAML and sections of TOML whose first line has more than the key

STAGES = "  retries: 3\n  timeout: 30\nproduction:\n  host: pr.example\n  timeout: 60\n"


@pytest.mark.parametrize("form", [UNKNOWN, RECORD])
@pytest.mark.parametrize(
    "key",
    [
        "defaults: &d",
        "defaults: !!map",
        "defaults: &d !!map # shared",
        "defaults: # shared",
        '"my defaults": # shared',
        "'my defaults' : &d",
        "GET /pumps/{id}:",
        "defaults:\n# shared",
        "defaults: # shared\n  # by all",
    ],
)
def test_a_member_needs_the_key_above_it(key, form):
    needs = {said: need for _, said, need in units(key + "\n" + STAGES, form)}
    assert key.split("\n")[0] == needs["retries: 3"] == needs["timeout: 30"]
    assert "production:" == needs["timeout: 60"]


@pytest.mark.parametrize("form", [UNKNOWN, RECORD])
def test_the_further_lines_of_a_value_need_its_first(form):
    text = (
        "production:\n  <<: *d\n  note: >-\n    Long text.\n  about: The pump\n    of the hall\n"
        "  ports: [1,\n    2]\n"
    )
    assert [
        ("name", "production:", None),
        ("record", "<<: *d", "production:"),
        ("name", "note: >-", "production:"),
        ("record", "Long text.", "note: >-"),
        ("record", "about: The pump", "production:"),
        ("record", "of the hall", "about: The pump"),
        ("record", "ports: [1,", "production:"),
        ("record", "2]", "ports: [1,"),
    ] == units(text, form)


@pytest.mark.parametrize("form", [UNKNOWN, RECORD])
@pytest.mark.parametrize(
    "section", ["[pump] # main", "[pump] ; main", '[pump."hall b"]', "[[p]] #"]
)
def test_a_section_may_have_a_comment_or_a_quoted_name(section, form):
    text = f"[valve]\nport = 1\n\n{section}\n'my key' = 2\na.\"b c\" = 3\n"
    needs = {said: need for _, said, need in units(text, form)}
    assert "[valve]" == needs["port = 1"]
    assert section == needs["'my key' = 2"] == needs['a."b c" = 3']


QUOTED = [
    *('["a b"]', "['a b']", '["a.b"."c"]', "[ 'a.b' . c ]", '[[x."y z"]]', '[["y z"]]'),
    *('["a, b"]', '["a #b"] # note', r'["a\"]b"]', '[remote "origin"]', "[2024]"),
]


@pytest.mark.parametrize("form", [UNKNOWN, RECORD])
@pytest.mark.parametrize("section", QUOTED)
def test_a_section_with_a_quoted_name_owns_the_values_below_it(section, form):
    text = f"[valve]\nport = 1\n\n{section}\n# of the hall\nport = 2\nhost = 'b'\n"
    assert ("heading", section, None) in units(text, form)
    needs = {said: need for _, said, need in units(text, form)}
    assert "[valve]" == needs["port = 1"]
    assert section == needs["port = 2"] == needs["host = 'b'"]


@pytest.mark.parametrize("section", QUOTED)
def test_a_text_may_begin_with_a_quoted_section(section):
    text = f"{section}\nport = 2\nhost = 'b'\n"
    assert [section] == [said for kind, said, _ in units(text) if kind == "heading"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('["a b"]\n["c d"]\n["e"]\n', UNKNOWN),  # JSON Lines
        ('[["a", "b"]]\nk: v = 2\n', UNKNOWN),
        ("[[1, 2], [3, 4]]\n[[1, 2]]\n", UNKNOWN),
        ('x = [\n  ["a"],\n  ["b"]\n]\ny = 3\n', RECORD),
        ('values:\n  ["a b"]\nport: 3\n', RECORD),
    ],
)
def test_an_array_of_one_value_is_no_section(text, form):
    assert [] == [said for kind, said, _ in units(text, form) if kind == "heading"]


@pytest.mark.parametrize("budget", range(8, 40, 2))
@pytest.mark.parametrize("source", ["app.toml", None])
def test_a_value_is_never_shown_without_its_quoted_section(source, budget):
    text = "\n".join(f"{title}\nport = {k}\n" for k, title in enumerate(QUOTED, start=80))
    shown = pack([Chunk(text, source=source)], budget=budget, query="Which port has y z?").text
    for k, title in enumerate(QUOTED, start=80):
        assert f"port = {k}" not in shown or f"{title}\nport = {k}" in shown


def test_a_whole_value_that_a_text_begins_with_owns_no_keys():
    text = "ports: [80]\n  pump:\n    host: a\n"
    assert ("name", "pump:", None) in units(text, RECORD)


def test_a_key_with_other_marks_owns_the_lines_below_it():
    text = "pumps(id):\n  port: 1\nvalves(id):\n  port: 2\n"
    assert ["pumps(id):", "valves(id):"] == [need for _, _, need in units(text, RECORD) if need]


def test_an_indented_section_is_a_section():
    text = "[pump]\nport = 1\n  [pump.hall]\n  port = 2\n"
    assert "[pump.hall]" == {said: need for _, said, need in units(text, RECORD)}["port = 2"]


@pytest.mark.parametrize("budget", range(8, 40, 2))
@pytest.mark.parametrize("key", ["defaults: &d", "defaults: !!map", '"my defaults": # shared'])
def test_a_value_is_never_shown_without_its_key(key, budget):
    text = key + "\n" + STAGES
    shown = pack([Chunk(text, source="app.yaml")], budget=budget, query="What is the timeout?").text
    assert "timeout: 30" not in shown or key in shown
