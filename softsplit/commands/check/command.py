"""The options of `softsplit check`."""

import click

from softsplit import checks
from softsplit.commands.check.wiring import draw
from softsplit.commands.shared.configuration import find_config, find_topology
from softsplit.commands.shared.credentials import judge_identity
from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say
from softsplit.config.downstream import Downstream


@click.command()
@config_option
def check(path):
    """Validate the configuration and show what it means.

    Shows which master is served from which bus, how often each block is read, and the load on each bus.

    \b
    Example: softsplit check -c softsplit.toml

    Exit codes: 0 if the configuration is valid, 2 if it is wrong.
    """
    found = find_config(path)
    topology = find_topology(found)
    says = []
    for end in (*topology.upstreams, *topology.downstreams):
        side = "downstream" if isinstance(end, Downstream) else "upstream"
        with checks.inside(str(found), ": "), checks.inside(f"{side}.{end.name}"):
            if sentence := judge_identity(end)[1]:
                says.append(f"{end.name}: {sentence}")
    say("\n\n".join(filter(None, (draw(topology, str(found)), "\n".join(says)))))
