"""The options of `softsplit profile`."""

import click

from softsplit.commands.example.command import EXAMPLES
from softsplit.commands.profile.learned import learned_profiles
from softsplit.commands.profile.listing import draw_list, draw_profile, findings
from softsplit.commands.profile.moddef import import_moddef
from softsplit.commands.shared.configuration import find_config
from softsplit.commands.shared.messages import complain
from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say
from softsplit.commands.status.status import read_status
from softsplit.printable import printable
from softsplit.profiles import load_profile
from softsplit.profiles.loader import parse_profile, profile_text


@click.group()
def profile():
    """List, show, check, import or learn profiles of devices.

    \b
    Examples: softsplit profile show abb-b23
              softsplit profile check boiler.toml
              softsplit profile learned >> meter.toml
    """


@profile.command("list")
def list_():
    """List the shipped profiles."""
    say("\n".join(draw_list()))


@profile.command("format")
def format_():
    """Print a commented profile with every key and every type."""
    say(EXAMPLES.joinpath("profile.toml").read_text(encoding="utf-8"), nl=False)


@profile.command(short_help="Show the content of a profile.")
@click.argument("name")
def show(name):
    """Show the content of a profile: NAME of a shipped one, or a path that ends in .toml."""
    say("\n".join(map(printable, draw_profile(load_profile(name)))))


@profile.command(short_help="Check a profile of your own.")
@click.argument("file")
def check(file):
    """Check the profile in FILE, a path that ends in .toml, and name suspicious parts."""
    text = profile_text(file) if file.endswith(".toml") else ""
    found = parse_profile(text, file) if text else load_profile(file)
    say("\n".join(map(printable, findings(found, text))))


@profile.command("import", short_help="Print a profile for a ModDef file.")
@click.argument("file", type=click.Path(dir_okay=False))
def import_(file):
    """Print a profile for the device that FILE describes, a register map in ModDef's JSON.

    Lines on standard error name everything that a profile cannot express.
    """
    text, lost = import_moddef(file)
    for each in lost:
        complain(each)
    say(text, nl=False)


@profile.command(short_help="Print a profile of what masters asked a unit for.")
@config_option
@click.argument("unit", required=False, metavar="[UPSTREAM/UNIT]")
def learned(path, unit):
    """Print a profile that polls everything that masters asked a unit for.

    It asks the running splitter. Without an argument it takes the only unit whose profile is "any". You add
    the names of the registers.
    """
    say(learned_profiles(read_status(find_config(path)), unit), nl=False)
