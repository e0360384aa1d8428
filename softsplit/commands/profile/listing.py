"""Tell what profiles say, in tables for a person. Pure."""

import re
from collections.abc import Iterable, Iterator

from softsplit.commands.shared.columns import columns
from softsplit.logs.conditions import show_count
from softsplit.profiles import Identify, Named, Profile, Register, load_profile, shipped_profiles
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import MAX_REGISTERS
from softsplit.protocol.notations import doubt_about
from softsplit.protocol.values import parse_resolution

MOST_STATES = 4  # that are shown of a register


def draw_list() -> list[str]:
    """A line for each shipped profile: what it is of, and how far it can be believed."""
    rows = [("profile", "device", "values", "scan", "unconfirmed")]
    rows += [row_of(load_profile(name)) for name in shipped_profiles()]
    return columns(rows, indent=0)


def row_of(profile: Profile) -> tuple[str, str, str, str, str]:
    """Its name and title, how many values it names, whether `scan` recognises it, what is unconfirmed."""
    return (profile.name, profile.title, str(len(profile.stated.registers)),
            "yes" if profile.identify else "",
            unconfirmed_of(profile))


def unconfirmed_of(profile: Profile) -> str:
    """How much of a profile no second source confirms, in a word or two."""
    count = sum(register.unconfirmed for register in profile.stated.registers)
    return show_count(count, "value") if count else "see its text" if profile.unconfirmed else ""


def draw_profile(profile: Profile) -> list[str]:
    """Everything that a profile says."""
    facts = [("device", profile.title), ("source", profile.source), ("unconfirmed", profile.unconfirmed),
             ("functions", ", ".join(map(str, sorted(profile.functions)))),
             ("in one answer", f"{profile.max_count} registers" if profile.max_count < MAX_REGISTERS else ""),
             ("between requests", f"{profile.gap:g} s" if profile.gap else ""),
             ("addresses", f"from {profile.base} on, wherever that stands" if profile.base else ""),
             ("recognised by", " and ".join(map(_told_by, profile.identify)))]
    lines = [profile.name, *columns([fact for fact in facts if fact[1]])]
    blocks = [(read.name, str(read.block), f"every {read.every:g} s") for read in profile.stated.reads]
    lines += ["", "blocks", *columns(blocks)] if blocks else []
    registers = [_row(register) for register in profile.stated.registers]
    return lines + (["", "registers", *columns(registers)] if registers else [])


def _told_by(identify: Identify | Named) -> str:
    if isinstance(identify, Named):
        return "its own words: " + ", ".join(filter(None, (identify.vendor, identify.product)))
    said = f'"{identify.starts_with}..."' if identify.starts_with else " or ".join(map(str, identify.equals))
    return f"{said} in {identify.register.block}"


def _row(register: Register) -> tuple[str, str, str, str, str]:
    worth, measure = parse_resolution(register.resolution)
    scale = register.resolution if worth != 1 else measure
    places = ", ".join(f"0x{part.address:04X}" for part in register.parts)
    return (register.name, f"{register.block.table} {places}", _written(register), scale,
            "; ".join(_notes(register)))


def _written(register: Register) -> str:
    words = [register.type if register.row.registers else f"{register.type}:{register.count}"]
    words += [f"{key} {value}" for key in ("byte", "layout", "encoding", "characters")
              if (value := getattr(register, key))]
    words += [f"mask 0x{register.mask:X}"] if register.mask is not None else []
    orders = {("little", "big"): "cdab", ("big", "little"): "badc", ("little", "little"): "dcba"}
    return " ".join((*words, orders.get((register.word_order, register.byte_order), ""))).rstrip()


def _notes(register: Register) -> Iterator[str]:
    if register.exponent:
        moved = f" {register.exponent.offset:+g}" if register.exponent.offset else ""
        yield f"times ten to the power in {_place(register.exponent)}{moved}"
    for each in register.plus:
        yield f"plus {_place(each)}" + (f" ({each.resolution})" if each.resolution != "1" else "")
    for each in register.times:
        yield f"times {_place(each)}" + (f" ({each.resolution})" if each.resolution != "1" else "")
    if register.sign:
        yield (f"negative where {_place(register.sign.register)} is {register.sign.negative}, "
               f"positive where it is {register.sign.positive}")
    for where in register.where:
        yield f"where {_place(where.register)} is {' or '.join(map(str, where.equals))}"
    if register.offset:
        yield f"{register.offset:+g}"
    if register.states:
        shown = [f"{count} {name}" for count, name in list(register.states.items())[:MOST_STATES]]
        yield ", ".join((*shown, "...") if len(register.states) > MOST_STATES else shown)
    if register.unconfirmed:
        yield "unconfirmed"


def _place(register: Register) -> str:
    words = [f"0x{part.address:04X}" for part in register.parts]
    words += [f"{register.byte} byte"] if register.byte else []
    return " ".join((*words, f"mask 0x{register.mask:X}") if register.mask is not None else words)


def findings(profile: Profile, text: str) -> list[str]:
    """What a check of a profile that is right has to tell, the first line that it is; `text` is that of its file."""
    lines = [f"{profile.name} is right: {show_count(len(profile.stated.reads), 'block')} polled, "
             f"{show_count(len(profile.stated.registers), 'value')} named"]
    lines += [f"look at it twice: {each}" for each in _doubts(profile, text)]
    return lines


def _doubts(profile: Profile, text: str) -> Iterator[str]:
    blocks = [*(read.block for read in profile.reads), *(register.block for register in profile.registers)]
    decimal = set(re.findall(r"\b\d+\b", text))
    yield from _doubtful_addresses(each for each in blocks if str(each.address) in decimal)
    if profile.is_joined:
        yield ("some values stand in several blocks; they are joined when these were read no further apart than two "
               "periods, else they are not available")
    if not profile.identify:
        yield "scan cannot recognise the device, because identify is missing"
    if not profile.source:
        yield "source is missing; say where addresses and types come from"
    if profile.unconfirmed:
        yield f"unconfirmed: {profile.unconfirmed}"


def _doubtful_addresses(blocks: Iterable[Block]) -> Iterator[str]:
    """Say of the first address, where manuals would number registers so, what it is taken for.

    Manuals number in decimal, so an address like 0x9C41 leaves no doubt.
    """
    doubts = {block.address: doubt for block in blocks if (doubt := doubt_about(block.address, block.table))}
    for doubt in list(doubts.values())[:1]:
        others = len(doubts) - 1
        yield doubt + (f"; likewise {show_count(others, 'other')}" if others else "")
