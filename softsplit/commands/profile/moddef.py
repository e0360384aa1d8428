"""Import a register map in ModDef's JSON (moddef.org) as a profile.

A document has devices, a device has register blocks, and a block has points: `space` and `offset` are the
place of a point, `storage_type` is its type, `transform` its scale. Keys are in camelCase or with
underscores.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from softsplit import checks, tomlfile
from softsplit.commands.profile.point import Lost, register_of
from softsplit.errors import ConfigError
from softsplit.profiles.content import profile_of
from softsplit.profiles.tomltext import toml_of
from softsplit.protocol.functions import READ_TABLES, Table
from softsplit.protocol.values import TYPES

Entry = dict[str, Any]
SPACES = {"HOLDING_REGISTER": Table.HOLDING_REGISTERS, "INPUT_REGISTER": Table.INPUT_REGISTERS,
          "COIL": Table.COILS,
          "DISCRETE_INPUT": Table.DISCRETE_INPUTS}
LISTS = ("devices", "blocks", "points", "enums", "values", "na_values", "bit_fields")  # of tables
TABLES = ("mapping", "transform", "scale", "scale_ref", "composed", "mantissa", "exponent", "value_type",
          "flags", "bits",
          "enum_ref", "datetime", "string_encoding")
NUMBERS = ("offset", "model_relative_offset", "start_offset", "length_words", "bit_index", "bit_offset",
           "bit_length", "base",
           "numerator", "denominator", "raw", "value")
TEXTS = ("point_id", "type_id", "storage_type", "mode", "encoding", "space")
GAP = 16  # unnamed registers that one read may include


def import_moddef(path: str) -> tuple[str, list[str]]:
    """Return the text of a profile, and lines about what it cannot express. Raises ConfigError."""
    with checks.inside(path, ": "):
        try:
            content = json.loads(tomlfile.read_text(Path(path)), parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"is no JSON: {error}; a .yaml of ModDef is converted with its own tool") from None
        document = _snake(checks.require_type(content, dict))
        _check(document, "", "")
        devices = checks.require_type(document.get("devices", []), list, "devices")
        if len(devices) != 1:
            raise ConfigError(f"{len(devices)} devices; a profile is of one", "devices")
        return _profile(document, checks.require_type(devices[0], dict, "devices[1]"))


def _check(value: Any, key: str, place: str) -> None:
    """Raise ConfigError if a value in a document has the wrong type."""
    if key in LISTS:
        for number, each in enumerate(checks.require_type(value, list, place), 1):
            _check(checks.require_type(each, dict, f"{place}[{number}]"), "", f"{place}[{number}]")
    elif key in TABLES or key == "offset of transform":
        checks.require_type(value, dict, place)
    elif key in NUMBERS and not (isinstance(value, str) and value.removeprefix("-").isdecimal()
                                 and len(value) < 20):
        checks.require_type(value, int, place)
    elif key in TEXTS and isinstance(value, (dict, list)):
        checks.require_type(value, str, place)
    for name, each in value.items() if isinstance(value, dict) else ():
        inner = "offset of transform" if (key, name) == ("transform", "offset") else name
        _check(each, inner, f"{place}.{name}".lstrip("."))


def _snake(value: Any) -> Any:
    """Return the same with keys like start_offset for startOffset."""
    if isinstance(value, dict):
        return {re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", key): _snake(each)
                for key, each in value.items()}
    return list(map(_snake, value)) if isinstance(value, list) else value


def _profile(document: Entry, device: Entry) -> tuple[str, list[str]]:
    lost = Lost()
    enums = {each.get("type_id"): each.get("values", []) for each in _tables(document, "enums")}
    points = [(_space(block, point), block, point) for block in _tables(device, "blocks")
              for point in _tables(block, "points")]
    places = {point.get("point_id"): (table, block, point) for table, block, point in points}
    registers = []
    for table, block, point in points:
        if register := register_of(table, block, point, places, enums, lost):
            registers.append(register)
    for each in ("variants", "commands"):
        if device.get(each):
            lost.add(f"{each} of the device", "a profile has none")
    title = " ".join(str(device[key]) for key in ("vendor", "model") if device.get(key))
    content = {"title": title,
               "source": f"ModDef {document.get('doc_id', '')} {document.get('version', '')}".strip(),
               "block": list(_blocks(registers)), "register": registers}
    profile_of(content, "imported")
    return toml_of(content), lost.words


def _tables(entry: Entry, key: str) -> list[Entry]:
    return [checks.require_type(each, dict, key)
            for each in checks.require_type(entry.get(key, []), list, key)]


def _space(block: Entry, point: Entry) -> Table:
    space = str(point.get("mapping", {}).get("space") or block.get("space"))
    checks.require_word(space, SPACES, "space", "space")
    return SPACES[space]


def _blocks(registers: list[Entry]) -> Iterator[Entry]:
    """Yield blocks that cover the registers, joined over small gaps."""
    spans = sorted((Table(each["table"]).function, each["address"], each["address"] + _size(each))
                   for each in registers)
    run: tuple[int, int, int] | None = None
    for table, start, end in spans:
        most = READ_TABLES[table].max_count
        if run and run[0] == table and start - run[2] <= GAP and max(end, run[2]) - run[1] <= most:
            run = table, run[1], max(end, run[2])
            continue
        if run:
            yield _block(*run)
        run = table, start, end
    if run:
        yield _block(*run)


def _size(register: Entry) -> int:
    return register.get("count") or TYPES[register["type"]].registers or 2


def _block(table: int, start: int, end: int) -> Entry:
    return {"table": READ_TABLES[table].value, "address": start, "count": end - start}
