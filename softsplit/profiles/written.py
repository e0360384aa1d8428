"""Turn a Profile back into the content of a file, to hand a script's profile to other processes."""

from softsplit.profiles.content import ADDRESSINGS
from softsplit.profiles.entries import ELSE, ORDER_KEYS, SIGN_KEYS, Entry
from softsplit.profiles.identify import Identify, Named
from softsplit.profiles.profile import Profile
from softsplit.profiles.register import Register
from softsplit.protocol.blocks import Block
from softsplit.protocol.values import COUNTED

PLAIN_KEYS = ("offset", "mask", "byte", "encoding", "characters", "layout")
STANDARD = {"resolution": "1", "offset": 0}  # left out


def content_of(profile: Profile) -> Entry:
    """Return the content from which `content.profile_of` builds this profile."""
    addressing = next(name for name, step in ADDRESSINGS.items() if step == profile.step)
    polled = profile.stated
    content = {
        "title": profile.title, "source": profile.source, "unconfirmed": profile.unconfirmed,
        "functions": sorted(profile.functions),
        "addressing": addressing, "max_count": profile.max_count, "gap": profile.gap,
        "same_tables": profile.same_tables,
        "readable": list(map(_block, profile.readable)), "alone": list(map(_block, profile.alone)),
        "block": [{**_block(read.block), "name": read.name, "every": read.every} for read in polled.reads],
        "register": list(map(_register, polled.registers)),
    }
    if profile.nameplate:
        content |= {"vendor": profile.vendor, "product": profile.product, "revision": profile.revision}
    content |= {"unused": profile.unused} if profile.unused is not None else {}
    content |= {"base": {"sunspec": list(profile.base.models)}} if profile.base else {}
    return content | ({"identify": list(map(_identify, profile.identify))} if profile.identify else {})


def _block(block: Block) -> Entry:
    return {"table": block.table.value, "address": block.address, "count": block.count}


def _value(register: Register) -> Entry:
    """Return place and type of a register, without defaults."""
    found = _block(register.block) | {"type": register.type}
    if register.type not in COUNTED or register.addresses:
        del found["count"]
    if register.addresses:
        found |= {"addresses": list(register.addresses)}
        del found["address"]
    orders = {key: getattr(register, key) for key in ORDER_KEYS if key in register.row.keys}
    said = {key: value for key in (*PLAIN_KEYS, "resolution")
            if (value := getattr(register, key)) not in ("", None, STANDARD.get(key))}
    patterns = list(register.not_available)
    return found | orders | said | ({"not_available": patterns} if patterns else {})


def _register(register: Register) -> Entry:
    found = _value(register) | {"name": register.name}
    states = {str(count): name for count, name in register.states.items()}
    states |= {ELSE: register.other_state} if register.other_state else {}
    others = {
        "states": states,
        "exponent": _value(register.exponent) if register.exponent else {},
        "times": list(map(_value, register.times)),
        "plus": list(map(_value, register.plus)),
        "sign": _value(register.sign.register) | {key: getattr(register.sign, key) for key in SIGN_KEYS}
        if register.sign else {},
        "unconfirmed": register.unconfirmed,
        "constant": register.constant,
        "where": [_value(each.register) | {"equals": list(each.equals)} for each in register.where],
    }
    return found | {key: value for key, value in others.items() if value or key == "constant"
                    and value is not None}


def _identify(identify: Identify | Named) -> Entry:
    if isinstance(identify, Named):
        return {key: value for key in ("vendor", "product") if (value := getattr(identify, key))}
    says = {"starts_with": identify.starts_with} if identify.starts_with else {"equals": list(identify.equals)}
    return _value(identify.register) | says
