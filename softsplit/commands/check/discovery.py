"""Which units of a downstream the automatic search of a master finds. Pure."""

from softsplit.config.downstream import Downstream

SEARCHED_PORT = 502
# Victron, dbus-modbus-client: abb.py asks units 1 and 2; the search keeps the first device of an address
SEARCHED_UNITS = (1, 2)
SEARCHED_PROFILES = ("abb-b21", "abb-b23", "abb-b24")


def missed_by_victron(downstream: Downstream) -> list[str]:
    """Say which ABB meters a Victron GX device does not find, and what to do; no lines if it finds all."""
    if downstream.url.scheme != "tcp" or downstream.url.port != SEARCHED_PORT:
        return []
    meters = {each.unit: f"{each.upstream.name}/{each.origin.unit}" for each in downstream.served
              if each.origin.profile.name in SEARCHED_PROFILES}
    meters |= {each.unit: each.derived.origin for each in downstream.derived
               if each.derived.profile.name in SEARCHED_PROFILES}
    found = next((unit for unit in SEARCHED_UNITS if unit in meters), None)
    missed = [unit for unit in meters if unit != found]
    if not missed:
        return []
    finds = "none of these" if found is None else f"unit {found} only"
    by_hand = f"add unit {', '.join(map(str, missed))} by hand there"
    rename = f', or here: units = {{ 1 = "{meters[missed[0]]}" }}' if found is None else ""
    return [" a Victron GX device asks for ABB meters at units 1 and 2, and takes one for each address: "
            f"it finds {finds};",
            f" {by_hand}{rename}"]
