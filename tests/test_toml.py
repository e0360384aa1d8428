"""TOML that is wrong gets one line in plain words, with the line of the file and the cure; nothing costs much."""

import os
import time
from contextlib import nullcontext

import pytest

from softsplit import tomlfile
from softsplit.errors import LONGEST_SHOWN, ConfigError, show


@pytest.mark.parametrize("text, message", [
    ("a = 1\nurl = tcp://10.0.0.1:502", 'line 2, "url = tcp://10.0.0.1:502": a text stands in quotes: url = "tcp://10.0.0.1:502"'),
    ("learn = False", 'line 1, "learn = False": write it learn = false'),
    ("a =", "a value is a text in quotes, a number"),
    ("a = 1 b = 2", "line 1, "),
    ("[a]\n[a]", 'line 2, "[a]": the section is there twice'),
    ("[a]\nb = 1\nb = 2", 'line 3, "b = 2": the key is given twice'),
    ("a = [1, 2", "the list has no ] at its end"),
    ("a = 'x", 'line 1, "a = \'x": the text has no quotes at its end'),
    ('a = "x\nb = 1', "the text has no quotes at its end"),
    ('a = "C:\\Users"', "a backslash is written twice"),
    ("[a", "the section has no ] at its end"),
    ("a", "a key is followed by = and a value"),
    ("= 1", "line 1, "),
    ("a = 1\x00", "line 1, "),
    (f"a = {'9' * 5000}", "a number that is too large"),
    (f"a = 0x{'f' * 5000}", "a number that is too large"),
    (f"a = [{{ b = 0x{'f' * 5000} }}]", "a number that is too large"),
    (f"{'a.' * 3000}b = 1", "line 1 has a key of too many parts"),
    (f"x = 1\n[{'a.' * 20000}b]", "line 2 has a key of too many parts"),
    (f"""x = {{ {'"a". ' * 3000}b = 1 }}""", "a key of too many parts"),
    (f"a = {'[' * 3000}", "too many lists or tables inside each other"),
    (f"a = {'[' * 51}{']' * 51}", "too many lists or tables inside each other"),
    (f"""a = {'{ "b]" = ' * 51}""", "too many lists or tables inside each other"),
])
def test_toml_that_is_wrong_says_where_and_how_it_is_written(text, message):
    with pytest.raises(ConfigError) as raised:
        tomlfile.parse(text)
    said = str(raised.value)
    assert message in said and "\n" not in said and len(said) < 300
    assert "cannot be understood" not in said and "(at" not in said


@pytest.mark.parametrize("text", [
    f"a = {'[' * 50}{']' * 50}", "[a]\n[b]\n" + "c = [[1], [2]]  # [[[\nd = 1\n[a.e]\n[b.e]",
    "a = '" + "[" * 60 + "'", 'a = "\\"' + "{" * 60 + '"', f"a = 1  # {'[' * 60}", f'a = """\n\\"""{"[" * 60}"""',
    f"a = '''\n'{'[' * 60}'''",
])
def test_brackets_in_texts_and_comments_nest_nothing(text):
    assert "a" in tomlfile.parse(text)


@pytest.mark.parametrize("piece", ['"\\', '"""\\', "#"])
def test_the_longest_text_is_read_or_refused_soon(piece):
    with pytest.raises(ConfigError) if piece != "#" else nullcontext():
        tomlfile.parse(piece * (tomlfile.LARGEST // len(piece)))


def test_many_dots_in_a_list_of_addresses_are_no_key():
    text = "allow = [" + '"10.0.0.1/32", ' * 40 + "]  # " + "." * 100
    assert len(tomlfile.parse(text)["allow"]) == 40


@pytest.mark.parametrize("data, message", [
    (b"a = 1\nb = 'K\xfcche'\n", "not UTF-8 text in line 2; save it as UTF-8"),
    ("a = 1".encode("utf-16"), "not UTF-8 text but UTF-16; save it as UTF-8"),
    (b"#" * (tomlfile.LARGEST + 1), "is too large; allowed are 1000000 bytes"),
])
def test_a_file_that_is_no_text_says_so(data, message, tmp_path):
    (tmp_path / "file.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        tomlfile.read_text(tmp_path / "file.toml")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "file.toml").write_bytes("a = 1".encode("utf-8-sig"))
    assert tomlfile.parse(tomlfile.read_text(tmp_path / "file.toml")) == {"a": 1}


def test_what_never_ends_and_what_never_begins_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="is too large"):
        tomlfile.read_text("/dev/zero")
    with pytest.raises(ConfigError, match="cannot read it: no file has such a name"):
        tomlfile.read_text("a\0b")
    monkeypatch.setattr(tomlfile, "PIPE_TIMEOUT", 0.05)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="cannot read it: no data for 0.05 s"):
        tomlfile.read_text(tmp_path / "pipe")


def test_a_pipe_is_read_to_its_end():
    reader, writer = os.pipe()
    os.write(writer, b"a = 1\n")
    os.close(writer)
    assert tomlfile.read_text(f"/dev/fd/{reader}") == "a = 1\n"
    os.close(reader)


@pytest.mark.parametrize("value, text", [
    (True, "true"), ("x", '"x"'), ("a\nb", '"a\\nb"'), ([1, "a"], '[1, "a"]'), ({"a b": 1, "c": {}}, '{ "a b" = 1, c = {  } }'),
    ({"a": {"b": {"c": {"d": 1}}}}, "{ a = { b = { c = ... } } }"), ([10 ** 5000], "[a number that is too large]"),
    (float("inf"), "inf"), (None, "None"), (object(), "a object"),
])
def test_a_value_is_shown_as_a_configuration_writes_it(value, text):
    assert show(value) == text


def test_what_is_shown_is_never_long_and_costs_nothing():
    begun = time.process_time()
    for value in ("x" * 10 ** 7, list(range(10 ** 6)), [[list(range(10 ** 5))] * 1000] * 1000, dict.fromkeys(range(10 ** 6))):
        assert len(show(value)) <= LONGEST_SHOWN + 3
    assert time.process_time() - begun < 1.0
