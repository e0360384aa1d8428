"""Draw the values of a derived unit, each with its inputs. Pure, but for the age of a status."""

from softsplit.commands.shared.derivation import Derivation, Shown, find_derived
from softsplit.commands.top.history import Look
from softsplit.commands.top.text import VALUE, Line, fit, line, value_name
from softsplit.config.deriving.inputs import DERIVED
from softsplit.config.topology import Topology

def title_of(topology: Topology, name: str) -> Line:
    """Name a derived unit and the units that it is made from."""
    derived, _ = find_derived(topology, f"{DERIVED}/{name}")
    units = ", ".join(f"{upstream.name}/{unit.unit}" for upstream, unit in derived.units)
    return line((f"{DERIVED}/{name}", "title"),
                f": {derived.profile.title or derived.profile.name}, made from {units}")


def draw_derived(look: Look, topology: Topology, name: str, width: int) -> list[Line]:
    """Return a line for each register: its value, and those of its inputs, with their ages."""
    derived, downstream = find_derived(topology, f"{DERIVED}/{name}")
    derivation = Derivation(derived, downstream)
    derivation.take_over(look.status)
    return [fit(_row(each, width), width) for each in derivation.lines()]


def _row(shown: Shown, width: int) -> Line:
    style = "title" if shown.is_fresh else "bad"
    value = f"{shown.text if shown.is_fresh else 'STALE':>{VALUE}}", style
    inputs = "; ".join(f"{each} {'' if each.age is None else f'{each.age:.1f} s'}".rstrip()
                       for each in shown.ingredients)
    how = "your own" if shown.made.is_stated else inputs or "of the make"
    why = "" if shown.is_fresh else f"{shown.text}: " if shown.text != "STALE" else ""
    return line(*value_name(shown.made.register.name, width), value, f"  {why}{how}")
