"""Other programs' words for keys, types and tables of a profile, for the hint in an error.

The word most similar to int16 is u16, which would show -500 W as 65036 W. So a list goes before similarity.
"""

from collections.abc import Collection, Iterable, Mapping

from softsplit import checks
from softsplit.errors import ConfigError, show
from softsplit.protocol.functions import Table
from softsplit.protocol.notations import meant_by, numbered, parse_address
from softsplit.protocol.values import TYPES

SIGNED = {f"{word}{bits}": f"s{bits}" for bits in (8, 16, 24, 32, 48, 64)
          for word in ("int", "i", "sint", "signed")}
UNSIGNED = {f"{word}{bits}": f"u{bits}" for bits in (8, 16, 24, 32, 48, 64)
            for word in ("uint", "unsigned", "ui")}
TYPE_WORDS = {
    **SIGNED, **UNSIGNED,
    "short": "s16", "int": "s16", "integer": "s16", "long": "s32", "longlong": "s64", "signed": "s16",
    "sbyte": "s8",
    "ushort": "u16", "uint": "u16", "word": "u16", "unsigned": "u16", "dword": "u32", "ulong": "u32",
    "ulonglong": "u64",
    "qword": "u64", "byte": "u8", "half": "f16", "float16": "f16",
    "float": "f32", "float32": "f32", "real": "f32", "single": "f32", "double": "f64", "float64": "f64",
    "lreal": "f64",
    "string": "text", "str": "text", "ascii": "text", "char": "text", "utf8": "text", "utf-8": "text",
    "bool": "bits", "boolean": "bits", "bit": "bits", "bitfield": "bits", "bitmap": "bits", "enum": "u16",
    "enum16": "u16",
    "acc16": "u16", "acc32": "u32", "acc64": "u64", "bitfield16": "bits", "bitfield32": "bits",
    "sunssf": "s16",
    "datetime": "time", "date": "time", "timestamp": "time", "ip": "ipv4", "ipaddr": "ipv4", "bytes": "raw",
    "bcd": "bcd16",
    "uint16_t": "u16", "int16_t": "s16", "uint32_t": "u32", "int32_t": "s32",
}
KEY_WORDS = {
    "scale": "resolution", "factor": "resolution", "multiplier": "resolution", "gain": "resolution",
    "unit": "resolution",
    "unit_of_measurement": "resolution", "unit_of_measure": "resolution", "divisor": "resolution",
    "precision": "resolution",
    "units": "resolution", "uom": "resolution", "measure": "resolution", "decimals": "resolution",
    "decimal": "resolution",
    "digits": "resolution", "scaling": "resolution", "multiply": "resolution", "divide": "resolution",
    "divide_by": "resolution",
    "coefficient": "resolution", "signed": "type", "is_signed": "type",
    "register": "address", "reg": "address", "start": "address", "addr": "address",
    "function": "table", "fc": "table", "function_code": "table", "register_type": "table",
    "input_type": "table",
    "swap": "word_order", "word_swap": "word_order", "endianness": "word_order", "endianess": "word_order",
    "endian": "word_order",
    "order": "word_order", "byteorder": "byte_order", "wordorder": "word_order", "byte_swap": "byte_order",
    "abcd": "word_order", "badc": "word_order", "cdab": "word_order", "dcba": "word_order",
    "scale_factor": "exponent", "sf": "exponent", "add": "plus", "sum": "plus", "ratio": "times",
    "ratios": "times", "data_type": "type", "datatype": "type", "format": "type",
    "length": "count", "size": "count", "quantity": "count", "nan": "not_available",
    "invalid": "not_available",
    "enum": "states", "map": "states", "values": "states", "bit": "mask", "bitmask": "mask",
    "interval": "every",
    "period": "every", "scan_interval": "every", "description": "title",
}
KEY_EXAMPLES = {"resolution": 'resolution = "0.1 V", what one count is worth', "type": 'type = "s16"',
                "word_order": 'word_order = "little", or "cdab"',
                "table": 'table = "input registers"', "mask": "mask = 0x0004 for bit 2"}
TABLE_WORDS = {
    "coil": Table.COILS, "discrete": Table.DISCRETE_INPUTS, "discrete input": Table.DISCRETE_INPUTS,
    "input": Table.INPUT_REGISTERS, "inputs": Table.INPUT_REGISTERS, "input register": Table.INPUT_REGISTERS,
    "input_registers": Table.INPUT_REGISTERS, "holding": Table.HOLDING_REGISTERS,
    "holding register": Table.HOLDING_REGISTERS,
    "holding_registers": Table.HOLDING_REGISTERS, "holdings": Table.HOLDING_REGISTERS,
}


def require_keys(entry: Iterable[str], allowed: Collection[str]) -> None:
    """Raise ConfigError for the first key that is not allowed."""
    for key in entry:
        meant = KEY_WORDS.get(key.lower(), "")
        if key not in allowed and meant in allowed:
            example = f" Write it like {KEY_EXAMPLES[meant]}" if meant in KEY_EXAMPLES else ""
            raise ConfigError(f'unknown key {show(key)}; did you mean "{meant}"?{example}', key)
    checks.require_keys(entry, allowed)


def require_type_name(name: str, but: Collection[str] = (), key: str = "type") -> None:
    """Raise ConfigError for an unknown type, or one of `but`, which are not possible here."""
    _require(name, [each for each in TYPES if each not in but], TYPE_WORDS, "type", key)


def require_table(name: str) -> None:
    """Raise ConfigError for an unknown table."""
    words = {word: table.value for word, table in TABLE_WORDS.items()}
    words |= {str(table.function): table.value for table in Table}
    _require(name, [table.value for table in Table], words, "table", "table")


def _require(name: str, words: Collection[str], others: Mapping[str, str], what: str, key: str) -> None:
    meant = others.get(name.lower().replace(" ", "") if what == "type" else name.lower())
    if meant and name not in words:
        raise ConfigError(f'unknown {what} {show(name)}; did you mean "{meant}"? (allowed: {", ".join(words)})', key)
    checks.require_word(name, words, what, key)


def place_of(stated: object, table: Table | None, first: int) -> tuple[Table, int]:
    """Return the table and the protocol address that a profile states. Raises ConfigError.

    It is a number counted from `first`, or a text as in manuals: "40001" also names the table.
    """
    if isinstance(stated, str):
        named, address = numbered(stated) or parse_address(stated, table, "address")[:2]
        if table not in (None, named):
            raise ConfigError(f"{show(stated)} is one of the {named}, not of the {table}", "address")
        return named, address
    address = checks.require_type(stated, int, "address", '0x5B00, or "40001" as manuals do')
    if meant := meant_by(address):
        raise ConfigError(f"{address} is not an address; {meant}", "address")
    if address < first:
        raise ConfigError(f"{show(address)} is before the first address, {first}", "address")
    return table or Table.HOLDING_REGISTERS, address - first
