"""What options of several commands share."""

import click

from softsplit.config import line


class Number(click.ParamType):
    """A whole number, in decimal or hex."""

    name = "number"

    def convert(self, value, param, context):
        try:
            return value if isinstance(value, int) else int(value, 0)
        except ValueError:
            self.fail(f"{value!r} is neither decimal (23296) nor hex (0x5B00)", param, context)


UNIT = click.IntRange(1, 247)
BAUDRATE = click.IntRange(line.BAUDRATES[0], line.BAUDRATES[-1])
config_option = click.option(
    "-c", "--config", "path", metavar="FILE",
    help="The configuration. Without it: $SOFTSPLIT_CONFIG, ./softsplit.toml, /etc/softsplit.toml.")
mode_option = click.option(
    "--mode", type=click.Choice(line.MODES, case_sensitive=False), default="8E1", show_default=True,
    metavar="MODE", help="Data bits, parity, stop bits of a serial line: 8E1, 8N1, ...")
timeout_option = click.option("--timeout", type=float, default=1.0, show_default=True,
                              help="Seconds to wait for an answer.")
baudrate_option = click.option("--baudrate", type=BAUDRATE, default=19200, show_default=True,
                               help="Of a serial line.")
force_option = click.option("--force", is_flag=True,
                            help="Ask there, although a running softsplit owns that wire, or may.")
