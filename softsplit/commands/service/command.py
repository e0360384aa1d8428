"""The options of `softsplit service`."""

from pathlib import Path

import click

from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say
from softsplit.install.service import KINDS, Order, explain, finish, put_in_place, take_back
from softsplit.printable import printable

DOCS = "docs"


@click.command()
@click.argument("kind", type=click.Choice((*KINDS, DOCS)))
@config_option
@click.option("--install", is_flag=True, help="Install the file and activate it; needs root.")
@click.option("--uninstall", is_flag=True, help="Stop the service and remove the file; needs root.")
@click.option("--force", is_flag=True, help="Continue even if the file was edited or cannot work.")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Install into the system image at DIR, and start nothing.")
@click.option("--template", is_flag=True, help="systemd: one process for each /etc/softsplit/NAME.toml.")
@click.option("--user", metavar="USER", help="cron: user who runs the process; default root.")
def service(kind, path, install, uninstall, force, root, template, user):
    """Print or install the systemd unit, cron entry, udev rules or manual page.

    \b
    systemd  unit with its own user and port 502 without root; restarts a
             process that ends or hangs
    cron     entry that starts a process within a minute if no healthy one runs
    udev     rules that give USB adapters lasting names, /dev/softsplit-NAME,
             and FTDI adapters a short latency
    docs     manual page, and completions for bash, zsh and fish

    \b
    Examples: softsplit service systemd -c /etc/softsplit.toml
              sudo softsplit service systemd --install
    """
    if install and uninstall:
        raise click.UsageError("--install and --uninstall are opposites; give one of them")
    if kind == DOCS:
        _docs(root or Path("/"), install, uninstall)
        return
    order = Order(kind, path, root or Path("/"), root is None, user, template)
    if install or uninstall:
        say("\n".join(map(printable, put_in_place(order, force) if install else take_back(order, force))))
    else:
        file = finish(order)
        say(file.text, nl=False)
        say("\n".join(map(printable, explain(order, file))), err=True)


def _docs(root: Path, install: bool, uninstall: bool) -> None:
    """Print the manual page, or install or remove it with the completions."""
    from softsplit.commands.service import docs  # it imports every command
    main = click.get_current_context().find_root().command
    assert isinstance(main, click.Group)
    if not (install or uninstall):
        say(docs.manual(main), nl=False)
        return
    docs.require_root(root)
    for line in docs.install(main, root) if install else docs.uninstall(root):
        say(printable(line))
