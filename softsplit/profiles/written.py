"""A profile as `loader.profile_of` reads it: what a script has made, for other processes."""

from softsplit.profiles.loader import ADDRESSINGS, ELSE, ORDER_KEYS, Entry
from softsplit.profiles.profile import Identify, Profile, Register
from softsplit.protocol.blocks import Block
from softsplit.protocol.values import NUMBERS


def content_of(profile: Profile) -> Entry:
    """Return what a file would have to say for this profile."""
    addressing = next(name for name, step in ADDRESSINGS.items() if step == profile.step)
    content = {
        "title": profile.title, "source": profile.source, "functions": sorted(profile.functions),
        "addressing": addressing,
        "readable": list(map(_block, profile.readable)), "alone": list(map(_block, profile.alone)),
        "block": [{**_block(read.block), "name": read.name, "every": read.every} for read in profile.reads],
        "register": list(map(_register, profile.registers)),
    }
    return content | ({"identify": _identify(profile.identify)} if profile.identify else {})


def _block(block: Block) -> Entry:
    return {"table": block.table.value, "address": block.address, "count": block.count}


def _value(register: Register) -> Entry:
    """Where a register stands, and how it is written."""
    found = _block(register.block) | {"type": register.type}
    if register.type in NUMBERS:  # which have a count of their own
        del found["count"]
    return found | {key: getattr(register, key) for key in ORDER_KEYS}


def _register(register: Register) -> Entry:
    states = {str(count): name for count, name in register.states.items()}
    states |= {ELSE: register.other_state} if register.other_state else {}
    found = _value(register) | {"name": register.name, "resolution": register.resolution,
                                "offset": register.offset, "states": states}
    return found | ({"not_available": register.not_available} if register.not_available is not None else {})


def _identify(identify: Identify) -> Entry:
    says = {"starts_with": identify.starts_with} if identify.starts_with else {"equals": list(identify.equals)}
    return _value(identify.register) | says
