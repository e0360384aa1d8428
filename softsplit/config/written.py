"""Turn a topology into plain values as in a file, and back, to hand a script's wiring to other processes."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from softsplit import checks
from softsplit.config.deriving.derived import Derived
from softsplit.config.deriving.inputs import DERIVED
from softsplit.config.downstream import Downstream
from softsplit.config.loader import DOWNSTREAM_KEYS, SECTIONS, UPSTREAM_KEYS, Section, topology_of
from softsplit.config.topology import Topology
from softsplit.config.upstream import Upstream
from softsplit.profiles import Profile, load_profile
from softsplit.profiles.content import profile_of
from softsplit.profiles.loader import shipped_profiles
from softsplit.profiles.written import content_of
from softsplit.security.identity import KEYS as IDENTITY

PROFILES = "profiles"  # those that are not shipped, by number


def topology_content(topology: Topology) -> Section:
    """Return the content from which `read_content` builds the same topology."""
    own: dict[Profile, str] = {}

    def name_of(profile: Profile) -> str:
        if profile.name in shipped_profiles() and load_profile(profile.name) is profile:
            return profile.name
        return own.setdefault(profile, str(len(own)))

    content: Section = {
        "upstream": {each.name: _upstream(each, name_of) for each in topology.upstreams},
        "downstream": {each.name: _downstream(each) for each in topology.downstreams},
    }
    if topology.derived:
        content["derived"] = {each.name: _derived(each, name_of) for each in topology.derived}
    if topology.diagnostics is not None:
        content["diagnostics"] = {"unit": topology.diagnostics}
    if page := topology.status:
        content["status"] = {"url": str(page.url), "allow": list(map(str, page.allow)),
                             "hosts": list(page.hosts)}
    content[PROFILES] = {key: {"name": profile.name, "content": content_of(profile)}
                         for profile, key in own.items()}
    return content


def read_content(content: Section) -> Topology:
    """Build the topology. Raises ConfigError."""
    checks.require_keys(content, (*SECTIONS, PROFILES))
    own = checks.require_type(content.get(PROFILES, {}), dict, PROFILES)

    @cache
    def load(name: str) -> Profile:
        if name not in own:
            checks.require_word(name, shipped_profiles(), "profile")
            return load_profile(name)
        profile = checks.require_type(own[name], dict, PROFILES)
        given = checks.require_type(checks.require(profile, "content"), dict, PROFILES)
        return profile_of(given, checks.require_name(profile.get("name"), PROFILES))

    return topology_of({key: content[key] for key in SECTIONS if key in content}, load)


def _upstream(upstream: Upstream, name_of: Callable[[Profile], str]) -> Section:
    content = _given(upstream, UPSTREAM_KEYS)
    content["units"] = {str(unit.unit): {"profile": name_of(unit.profile), "every": dict(unit.every)}
                        for unit in upstream.units}
    return content


def _derived(derived: Derived, name_of: Callable[[Profile], str]) -> Section:
    content: Section = {"profile": name_of(derived.profile), "values": dict(derived.values)}
    if derived.source:
        content["from"] = f"{derived.source[0].name}/{derived.source[1]}"
    return content | ({"max_skew": derived.max_skew} if derived.max_skew is not None else {})


def _downstream(downstream: Downstream) -> Section:
    content = _given(downstream, DOWNSTREAM_KEYS)
    content.pop("serves", None)  # `units` says it
    content["units"] = {str(each.unit): f"{each.upstream.name}/{each.origin.unit}"
                        for each in downstream.served}
    content["units"] |= {str(each.unit): f"{DERIVED}/{each.derived.name}" for each in downstream.derived}
    if roles := downstream.authorization:
        content["roles"] = {role: sorted(rights) for role, rights in roles.roles.items()}
    for key in ("allow_writes", "allow_functions"):
        content[key] = [f"{each.upstream}/{each.unit} {each}" for each in getattr(downstream, key)]
    if access := downstream.access:
        given = {"allow": access.allow, "prefer": access.prefer}
        content |= {key: list(map(str, networks)) for key, networks in given.items() if networks}
    return content


def _given(end: Upstream | Downstream, keys: Iterable[str]) -> Section:
    """The given keys of an end, as values for JSON."""
    found = {key: getattr(end, key) for key in keys if getattr(end, key) is not None}
    return {key: str(each) if key in ("url", "reply_url") else str(Path(each).absolute()) if key in IDENTITY
            else each
            for key, each in found.items()}
