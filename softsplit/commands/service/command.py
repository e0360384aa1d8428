"""softsplit service"""

from pathlib import Path

import click

from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say
from softsplit.install.service import (
    KINDS,
    Order,
    explain,
    finish,
    put_in_place,
    take_back,
)
from softsplit.printable import printable


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@config_option
@click.option("--install", is_flag=True, help="Put the file where it belongs, and to work; needs root.")
@click.option("--uninstall", is_flag=True, help="Remove it, and end what systemd started; needs root.")
@click.option("--force", is_flag=True, help="Do so although the file was changed, or cannot work.")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Do so in the image of a machine, where nothing is started.")
@click.option("--template", is_flag=True, help="systemd: one process for each /etc/softsplit/NAME.toml.")
@click.option("--user", help="cron: whose process it is; root unless given.")
def service(kind, path, install, uninstall, force, root, template, user):
    """Print the file that starts softsplit by itself, or names its adapters, and say where it goes.

    \b
    systemd  a unit: its own user, port 502 without root, started again when it ends or hangs
    cron     a line: started within a minute when no healthy one runs
    udev     rules: USB adapters get lasting names, /dev/softsplit-NAME, and FTDI's answer at once
    """
    if install and uninstall:
        raise click.UsageError("--install and --uninstall are opposites; give one of them")
    order = Order(kind, path, root or Path("/"), root is None, user, template)
    if install or uninstall:
        say("\n".join(map(printable, put_in_place(order, force) if install else take_back(order, force))))
    else:
        file = finish(order)
        say(file.text, nl=False)
        say("\n".join(map(printable, explain(order, file))), err=True)
