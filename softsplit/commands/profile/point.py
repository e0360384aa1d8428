"""Turn a point of a ModDef document into a register of a profile, and note what is lost. Pure."""

from decimal import Decimal
from typing import Any

from softsplit.protocol.functions import Table
from softsplit.protocol.values import TYPES

Entry = dict[str, Any]
Place = tuple[Table, Entry, Entry]  # of a point: its table, its block and itself
TYPE_NAMES = {"U16": "u16", "S16": "s16", "U24": "u24", "S24": "s24", "U32": "u32", "S32": "s32",
              "U48": "u48", "S48": "s48",
              "U64": "u64", "S64": "s64", "IEEE754_F32": "f32", "IEEE754_F64": "f64", "STRING_ASCII": "text",
              "STRING_UTF8": "text", "BYTES_RAW": "raw"}
IGNORED = ("point_id", "name", "description", "display_precision", "measurand", "access", "write",
           "write_encoding",
           "recommended_poll_period_ms", "value_type")  # which say nothing of what is read
KNOWN = (*IGNORED, "storage_type", "mapping", "transform", "unit", "na_values", "datetime", "bit_fields")
MAPPED = ("space", "offset", "model_relative_offset", "length_words", "bit_index", "byte_order", "word_order",
          "string_encoding",
          "sign_magnitude", "composed", "allowed_function_codes")


class Lost:
    """Lines about what a profile cannot express."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def add(self, what: object, why: str) -> None:
        self.words.append(f"{what}: {why}")


class Unsaid(Exception):
    """A profile cannot express this point at all; the text says why."""


def register_of(table: Table, block: Entry, point: Entry, places: dict[Any, Place],
                enums: dict[Any, list[Entry]],
                lost: Lost) -> Entry | None:
    """Return the entry of a register; None if that is impossible, with the reason in `lost`."""
    name = point.get("point_id")
    try:
        mapping = point.get("mapping", {})
        register: Entry = {"name": str(name), "table": table.value, "address": _address(block, mapping)}
        register |= _typed(table, point, mapping)
        if "resolution" in TYPES[register["type"]].keys:
            register |= _scaled(block, point, places)
        register |= _orders(register["type"], mapping)
        register |= _states(point, enums, register)
    except Unsaid as error:
        lost.add(name, str(error))
        return None
    register |= _patterns(point)
    for key in (set(point) - set(KNOWN)) | (set(mapping) - set(MAPPED)):
        lost.add(name, f"{key} is left out; look whether the value is right without it")
    if block.get("discovery"):
        lost.add(name, "its block is found while running; the address is the one that the file states")
    return register


def _address(block: Entry, mapping: Entry) -> int:
    """Return its address; JSON may leave out a 0."""
    if "model_relative_offset" in mapping or block.get("discovery") and "offset" not in mapping:
        return int(block.get("start_offset", 0)) + int(mapping.get("model_relative_offset", 0))
    return int(mapping.get("offset", 0))


def _typed(table: Table, point: Entry, mapping: Entry) -> Entry:
    """Return the type, and the count if the type has none."""
    words, storage = int(mapping.get("length_words", 0)), point.get("storage_type", "")
    if table.holds_bits:
        return {"type": "bits", "count": 1}
    if storage == "COMPOSED":
        return {"type": _composed(mapping.get("composed", {}))}
    if storage == "BCD":
        if words not in (0, 1, 2):
            raise Unsaid(f"a BCD of {words} registers cannot be said")
        return {"type": "bcd32" if words == 2 else "bcd16"}
    if "datetime" in point:
        if point["datetime"].get("encoding") != "EPOCH_S":
            raise Unsaid(f"a time as {point['datetime'].get('encoding')} cannot be said")
        return {"type": "time", "layout": "epoch"}
    if mapping.get("sign_magnitude"):
        if storage != "S16":
            raise Unsaid(f"a {storage} of sign and magnitude cannot be said")
        return {"type": "m16"}
    if "bit_index" in mapping and storage in ("", "U16", "S16"):
        return {"type": "u16", "mask": 1 << int(mapping["bit_index"])}
    if storage not in TYPE_NAMES:
        raise Unsaid(f"a {storage or 'point without storage_type'} cannot be said")
    name = TYPE_NAMES[storage]
    own = TYPES[name].registers
    if own is None:
        encoding = {"encoding": "utf-8"} if storage == "STRING_UTF8" else {}
        return {"type": name, "count": max(1, words), **encoding}
    if words not in (0, own):
        raise Unsaid(f"a {storage} in {words} registers cannot be said")
    return {"type": name}


def _composed(composed: Entry) -> str:
    """Return the type with a power of ten in its top byte."""
    mantissa, exponent = composed.get("mantissa", {}), composed.get("exponent", {})
    is_usual = (int(mantissa.get("bit_length", 0)), int(exponent.get("bit_offset", 0)),
                int(exponent.get("bit_length", 0)))
    if is_usual != (24, 24, 8) or int(composed.get("base", 10)) != 10:
        raise Unsaid("a number composed like that cannot be said")
    return "e8s24" if str(mantissa.get("storage_type", "")).startswith("S") else "e8u24"


def _scaled(block: Entry, point: Entry, places: dict[Any, Place]) -> Entry:
    """Return the worth of a count, and the register that scales it."""
    transform, unit = point.get("transform", {}), str(point.get("unit", ""))
    unit = "" if unit == "1" else unit
    if point.get("selector_ref"):
        raise Unsaid("what it is worth depends on another register by cases, which cannot be said")
    worth = _rational(transform.get("scale", {}), 1)
    found: Entry = {"resolution": f"{worth.normalize():f} {unit}".strip()} if worth != 1 or unit else {}
    if offset := _rational(transform.get("offset", {}), 0):
        found["offset"] = float(offset)
    if reference := transform.get("scale_ref"):
        if reference.get("point_id") not in places or reference.get("mode") not in ("POW10", "MULTIPLY"):
            raise Unsaid("the register with which it is scaled is not there")
        place = _place(*places[reference["point_id"]])
        if reference["mode"] == "POW10":
            found["exponent"] = place
        else:
            found["times"] = [place | {"resolution": f"{1 / Decimal(int(reference.get('denominator', 1) or 1)):f}"}]
    return found


def _place(table: Table, block: Entry, point: Entry) -> Entry:
    """Return the place and the type of a register that scales others, which may be in another block."""
    mapping, storage = point.get("mapping", {}), point.get("storage_type", "S16")
    if storage not in TYPE_NAMES or point.get("transform") or {"bit_index", "sign_magnitude"} & mapping.keys():
        raise Unsaid("the register with which it is scaled is no plain number, which cannot be said")
    name = TYPE_NAMES[storage]
    return {"table": table.value, "address": _address(block, mapping), "type": name, **_orders(name, mapping),
            **_patterns(point)}


def _patterns(point: Entry) -> Entry:
    found = [int(each.get("raw", 0)) for each in point.get("na_values", [])]
    return {"not_available": found} if found else {}


def _rational(entry: Entry, usual: int) -> Decimal:
    if not entry:
        return Decimal(usual)
    denominator = Decimal(int(entry.get("denominator", 1) or 1))
    exact = Decimal(int(entry.get("numerator", 0))) / denominator
    if exact * denominator != int(entry.get("numerator", 0)):
        raise Unsaid(f"its scale {entry.get('numerator')}/{denominator} is no decimal number")
    return exact


def _orders(type_name: str, mapping: Entry) -> Entry:
    keys = TYPES[type_name].keys
    little = {"word_order": mapping.get("word_order") == "WORD_LITTLE_ENDIAN",
              "byte_order": mapping.get("byte_order") == "LITTLE_ENDIAN"}
    return {key: "little" for key, is_little in little.items() if is_little and key in keys}


def _states(point: Entry, enums: dict[Any, list[Entry]], register: Entry) -> Entry:
    """Return the names of counts or of bits."""
    kind = point.get("value_type", {})
    bits = {str(bit): str(name) for bit, name in kind.get("flags", {}).get("bits", {}).items()}
    for each in point.get("bit_fields", []):
        if int(each.get("bit_length", 1)) != 1:
            raise Unsaid("fields of several bits; write each as a register with a mask")
        bits[str(int(each.get("bit_offset", 0)))] = str(each.get("field_id", ""))
    if bits:
        return {"type": "bits", "count": TYPES[register["type"]].registers or 1, "states": bits}
    named = enums.get(kind.get("enum_ref", {}).get("type_id"), [])
    states = {str(int(each.get("value", 0))): str(each.get("name", "")) for each in named}
    return {"states": states} if states and "states" in TYPES[register["type"]].keys else {}
