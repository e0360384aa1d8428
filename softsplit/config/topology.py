"""The topology: everything that one process runs. Frozen values for scripts and configuration files."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from softsplit import checks
from softsplit.checks import Settled
from softsplit.config.deriving.derived import Derived
from softsplit.config.deriving.inputs import DERIVED
from softsplit.config.downstream import Downstream
from softsplit.config.statuspage import StatusPage, page_beside
from softsplit.config.upstream import Upstream, require_unit
from softsplit.config.wires import check_circles, check_wires
from softsplit.errors import ConfigError

MOST_ENDS = 250  # upstreams, and as many downstreams


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Topology:
    """Everything that one process runs, as `load_config()` returns it; run it with Splitter(topology).run().

    downstreams    the servers
    upstreams      by default those that the servers need
    derived        derived units; by default those that are served
    diagnostics    id of our own unit on every downstream, which shows how fresh the others are
    status         a StatusPage, or its url, for browsers and programs

    Raises ConfigError if two parts need the same wire.
    """

    downstreams: Settled[Iterable[Downstream], tuple[Downstream, ...]] = Settled()
    upstreams: Settled[Iterable[Upstream], tuple[Upstream, ...]] = Settled(())
    diagnostics: int | None = None
    derived: Settled[Iterable[Derived], tuple[Derived, ...]] = Settled(())
    status: Settled[StatusPage | str | None, StatusPage | None] = Settled(None)

    def __post_init__(self) -> None:
        downstreams = checks.require_all(self.downstreams, Downstream, "downstream")
        checks.settle(self, downstreams=checks.require_few(downstreams, MOST_ENDS, "of them", "downstream"))
        upstreams = tuple(dict.fromkeys((*self.upstreams, *self.served())))
        checks.require_few(upstreams, MOST_ENDS, "of them", "upstream")
        checks.settle(self, upstreams=upstreams)
        self._settle_derived()
        check_wires("upstream", upstreams)
        check_wires("downstream", downstreams)
        check_circles(upstreams, downstreams)
        if self.diagnostics is not None:
            self._check_diagnostics()
        checks.settle(self, status=page_beside(self.status, downstream=downstreams, upstream=upstreams))

    def _settle_derived(self) -> None:
        served = (each.derived for downstream in self.downstreams for each in downstream.derived)
        derived = checks.require_few(tuple(dict.fromkeys((*self.derived, *served))), MOST_ENDS, "of them",
                                     "derived")
        for name, count in Counter(each.name for each in derived).items():
            if count > 1:
                raise ConfigError("the name is used twice", f"derived.{name}")
        if derived and any(each.name == DERIVED for each in self.upstreams):
            raise ConfigError("this name is reserved for derived units; choose another",
                              f"upstream.{DERIVED}")
        checks.settle(self, derived=derived)

    def _check_diagnostics(self) -> None:
        with checks.inside("diagnostics.unit"):
            for downstream in self.downstreams:
                require_unit(self.diagnostics, url=downstream.url)
                if self.diagnostics in downstream.unit_ids:
                    raise ConfigError(f"downstream.{downstream.name} serves a unit {self.diagnostics} "
                                      "already; choose one that it does not")

    def served(self) -> list[Upstream]:
        """The upstreams whose units are served."""
        served = (upstream for downstream in self.downstreams for upstream in downstream.serves)
        return list(dict.fromkeys(served))

    def unserved(self) -> list[Upstream]:
        """The upstreams whose units are not served; they are not polled."""
        return [upstream for upstream in self.upstreams if upstream not in self.served()]
