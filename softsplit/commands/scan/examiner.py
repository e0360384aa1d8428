"""Identify a unit that answers: find the profile that fits, and read its identification."""

from collections.abc import Iterable
from dataclasses import dataclass

from softsplit.commands.scan.prober import PROBE, Prober
from softsplit.printable import printable
from softsplit.profiles import Identify, Named, Profile
from softsplit.profiles.identify import OBJECTS
from softsplit.protocol import pdu
from softsplit.protocol.blocks import Block
from softsplit.protocol.values import Value


@dataclass(frozen=True)
class Found:
    """A unit that answers: the profile that recognised it by the value `said`.

    `named` is its identification (vendor, product, revision), `function` the one that it answered first.
    """

    unit: int
    profile: Profile | None = None
    said: Value | None = None
    named: tuple[tuple[str, str], ...] = ()
    function: int = PROBE.function

    def __str__(self) -> str:
        said = f'"{self.said}"' if isinstance(self.said, str) else str(self.said)
        what = f"{self.profile.title or self.profile.name}, says {said}" if self.profile else "unknown device"
        odd = (f"answers function {self.function}",) if self.function != PROBE.function else ()
        return printable("; ".join((what, *odd, *(f'{name} "{text}"' for name, text in self.named))))


class Examiner:
    """Identifies units through a prober."""

    def __init__(self, prober: Prober):
        self._prober = prober
        self._names: dict[int, dict[str, str]] = {}  # identifications

    def examine(self, unit: int, profiles: Iterable[Profile]) -> Found:
        """Identify a unit. Raises Unreachable."""
        profile, said = self._recognise(unit, profiles)
        return Found(unit, profile, said, tuple(self._named(unit).items()))

    def _recognise(self, unit: int, profiles: Iterable[Profile]) -> tuple[Profile | None, Value | None]:
        answers: dict[Block, bytes] = {}
        for profile in profiles:
            said: Value | None = None
            for identify in profile.identify:
                said = self._says(unit, identify, answers)
                if said is None:
                    break
            if said is not None:
                return profile, said
        return None, None

    def _says(self, unit: int, identify: Identify | Named, answers: dict[Block, bytes]) -> Value | None:
        """Return the value that shows such a device, or None; `answers` keeps what was read."""
        if isinstance(identify, Named):
            named = self._named(unit)
            return " ".join(named.values()) if identify.fits(named) else None
        register = identify.register
        if register.block not in answers:
            answers[register.block] = self._prober.learn(unit, pdu.read_question(register.block))
        data = answers[register.block][2:]
        said = register.decode(data) if data else None
        return said if identify.fits(said) else None

    def _named(self, unit: int) -> dict[str, str]:
        """Return the identification of a unit, if it has one (MAP 6.21): vendor, product, revision."""
        if unit not in self._names:
            self._names[unit] = dict(self._identification(unit))
        return self._names[unit]

    def _identification(self, unit: int) -> Iterable[tuple[str, str]]:
        following = 0
        named: dict[int, bytes] = {}
        for _ in OBJECTS:
            answer = self._prober.learn(unit, pdu.identification_question(following))
            if not answer:
                break
            objects, following = pdu.parse_identification(answer)
            named |= objects
            if not following:
                break
        for number, name in OBJECTS.items():
            if text := printable(named.get(number, b"").decode("utf-8", "replace").strip("\0")).strip():
                yield name, text
