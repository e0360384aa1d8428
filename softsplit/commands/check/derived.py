"""The part of `softsplit check` about derived units: source and age of each register, and what is missing."""

from collections.abc import Callable, Iterable, Iterator

from softsplit.config.deriving.derived import Derived
from softsplit.config.deriving.expression import Input
from softsplit.config.deriving.made import Made
from softsplit.config.downstream import Downstream
from softsplit.config.topology import Topology
from softsplit.downstream.deriving.words import absent
from softsplit.downstream.mirrors.freshness import PERIODS
from softsplit.errors import show
from softsplit.profiles import Identify

Oldest = Callable[[Input], float | None]  # the greatest age of an input in seconds, None if unknown


def draw_derived(topology: Topology, derived: Derived, oldest: Oldest) -> list[str]:
    """Return a line for each register of a derived unit, then what masters get elsewhere, then faults."""
    title = f"  ({derived.profile.title})" if derived.profile.title else ""
    served = [each for each in topology.downstreams if any(one.derived is derived for one in each.derived)]
    note = "" if served else "  NOT SERVED by any downstream"
    lines = [f"{derived.origin}  {derived.profile.name}{title}{note}"]
    made = [each for each in derived.made if each.has_source]
    width = max(len(each.register.name) for each in made)
    for each in made:
        lines.append(f" ├─ {each.register.name:{width}}  {_place(each)}  = {_how(each)}{_age(each, oldest)}")
    lines += [f" │  {line}" for line in _missing(derived)]
    lines += [f" {fault}" for fault in dict.fromkeys(_faults(derived, made, served, oldest))]
    return lines


def _place(made: Made) -> str:
    return f"0x{made.register.block.address:04X}"


def _how(made: Made) -> str:
    what = f"{made}, your own" if made.is_stated else f"{made}, of the make" if made.is_constant else str(made)
    return " ".join(what.split())


def _age(made: Made, oldest: Oldest) -> str:
    """How often the inputs are read, and the greatest age of the register."""
    if not made.inputs:
        return ""
    periods = sorted({each.every for each in made.inputs})
    how = " and ".join("as another master reads it" if not period else f"every {period:g} s"
                       for period in periods)
    ages = [oldest(each) for each in made.inputs]
    worst = max(age for age in ages if age is not None) if None not in ages else None
    return f"  {how}" + ("" if worst is None else f", at worst {worst:.3g} s old")


def _missing(derived: Derived) -> Iterator[str]:
    """The registers without a source, and what masters get for them."""
    identity = [each for each in derived.profile.identify if isinstance(each, Identify)]
    for each in identity:
        wanted = show(each.starts_with or each.equals[0])
        yield f"0x{each.register.block.address:04X} identifies the make: {wanted}"
    missing = [made for made in derived.made if not made.has_source
               and not any(each.register.block.overlaps(made.register.block) for each in identity)]
    said = {"a float that is no number": [each for each in missing if _says(each)
                                          and not each.register.not_available],
            "the pattern for not available": [each for each in missing if _says(each)
                                              and each.register.not_available],
            "0x02, also for longer reads across it": [each for each in missing if not _says(each)]}
    for what, registers in said.items():
        if registers:
            yield f"no source, a master gets {what}: {', '.join(each.register.name for each in registers)}"
    gaps = "0x02" if derived.profile.unused is None else f"0x{derived.profile.unused:04X} where the make can be read"
    yield f"no register, a master gets {gaps}"


def _says(made: Made) -> bool:
    return not made.is_shared and absent(made.register) is not None


def _faults(derived: Derived, made: Iterable[Made], served: Iterable[Downstream],
            oldest: Oldest) -> Iterator[str]:
    """The reasons why registers would often be stale."""
    for each in made:
        slowest = max((one.every for one in each.inputs), default=0.0)
        ages = [age for one in each.inputs if (age := oldest(one)) is not None]
        skew = derived.skew(each)
        if len({(one.upstream, one.unit, one.every) for one in each.inputs}) > 1 and skew < max([slowest, *ages]):
            yield (f"TOO FAR APART: {each.register.name} is often stale, because its inputs are read up to "
                   f"{max([slowest, *ages]):.3g} s apart and max_skew is {skew:g} s")
        for downstream in served:
            for one in each.inputs:
                age = oldest(one)
                limit = max(downstream.max_age, PERIODS * one.every)
                if age is not None and age > limit:
                    yield (f"TOO OLD: registers made from {one.upstream}/{one.unit} get up to {age:.3g} s old, "
                           f"but {downstream.name} does not serve them after {limit:g} s")
