"""The options of `softsplit tls`."""

import socket
import time
from pathlib import Path

import click

from softsplit.commands.shared.options import FILE
from softsplit.commands.shared.output import say
from softsplit.commands.tls.authority import AUTHORITY, SERVER, Authority, parse_master
from softsplit.errors import ConfigError, show
from softsplit.printable import printable
from softsplit.security.certificate import Certificate
from softsplit.security.credentials import how_long, load_certificates

LONGEST_HOST = 253  # characters; RFC 1035, 2.3.4
WIRING = """
In softsplit.toml (paths are relative to that file):

    [downstream.secure]
    url = "mbaps://0.0.0.0:802"
    certificate = "{server}.crt"
    key = "{server}.key"
    authorities = "{authority}.crt"

Each master gets its own NAME.crt and NAME.key, and {authority}.crt
to recognise this server. Keep
{authority}.key off this machine: whoever has it can make more masters."""


@click.group()
def tls():
    """Make and show certificates for Modbus/TCP Security (mbaps://).

    \b
    Examples: softsplit tls init /etc/softsplit/tls --host 192.168.1.10
              softsplit tls init /etc/softsplit/tls --master evcc:viewer
              softsplit tls show /etc/softsplit/tls/evcc.crt
    """


@tls.command(short_help="Make certificates for the server and for masters.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--host", "hosts", multiple=True, metavar="NAME",
              help="Name or address by which masters reach this machine; default its host name and localhost.")
@click.option("--master", "masters", multiple=True, metavar="NAME[:ROLE]",
              help='A master, and its role; by default one named "master", without a role.')
@click.option("--days", type=click.IntRange(1, 36500), default=3650, show_default=True, metavar="DAYS",
              help="How long the certificates are valid.")
def init(directory: Path, hosts: tuple[str, ...], masters: tuple[str, ...], days: int):
    """Make an authority in DIR, and certificates for the server and for masters.

    Run it again for the same DIR to make certificates for more masters. It needs the program openssl.

    \b
    Example: softsplit tls init tls --host meters.local --master victron:operator
    """
    wanted = [parse_master(each) for each in masters]
    for host in hosts:
        if not host.isprintable() or set(host) & set(" ,\"'\\#$;=\n") or not 0 < len(host) <= LONGEST_HOST:
            raise ConfigError(f"{show(host)} is no name or address of a host", "hosts")
    authority = Authority(directory, days)
    if not authority.certificate(SERVER).exists():
        authority.make_server(hosts or dict.fromkeys((socket.gethostname(), "localhost", "127.0.0.1")))
        wanted = wanted or [parse_master("master")]
    elif hosts:
        raise ConfigError(f"{authority.certificate(SERVER)} already exists, perhaps with other names; remove it "
                          "and its key first", "hosts")
    for master in wanted:
        authority.make_master(master)
    for name in (*([AUTHORITY] if authority.is_new else []),
                 *dict.fromkeys((SERVER, *(each.name for each in wanted)))):
        path = authority.certificate(name)
        say(f"{path}  {_in_words(load_certificates(path)[0])}")
    say(WIRING.format(server=directory / SERVER, authority=directory / AUTHORITY))


@tls.command("show", short_help="Show the certificates in a PEM file.")
@click.argument("file", type=FILE)
def show_file(file):
    """Print the certificates in a PEM file: subject, role, names, issuer and validity."""
    for number, each in enumerate(load_certificates(Path(file))):
        if number:
            say()
        say(f"subject  {each.subject}")
        say(f"role     {each.role or 'none'}")
        if each.names:
            say(f"names    {printable(', '.join(each.names))}")
        say(f"issuer   {each.issuer}")
        say(f"valid    {_day(each.not_before)} to {_day(each.not_after)}{_warning(each)}")


def _in_words(certificate: Certificate) -> str:
    role = f", role {certificate.role}" if certificate.role else ""
    names = f", {', '.join(certificate.names)}" if certificate.names else ""
    return f"{certificate.subject}{role}{names}, until {_day(certificate.not_after)}"


def _warning(certificate: Certificate) -> str:
    said = how_long(certificate)
    return f"; {said}" if said else ""


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
