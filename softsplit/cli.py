"""The command line: the group of commands; each is imported when it is called."""

import sys
from errno import EDQUOT, ENOSPC
from importlib import import_module

import click

from softsplit.commands.shared import leaving
from softsplit.commands.shared.messages import complain
from softsplit.errors import LONGEST_SAID, ConfigError, SoftsplitError
from softsplit.logs.streams import is_dumb, prepare_streams
from softsplit.printable import printable
from softsplit.version import VERSION

COMMANDS = {  # each is NAME in softsplit/commands/NAME/command.py
    "run": "Run the splitter",
    "example": "Print a commented configuration or an example script",
    "check": "Validate the configuration; show wiring, poll plan and bus load",
    "status": "Show the status of a running splitter",
    "top": "Live view of a splitter or one unit",
    "read": "Read a unit by profile or by address",
    "scan": "Scan a bus for units",
    "sniff": "Decode traffic on a serial line",
    "profile": "List, show, check, import or learn profiles of devices",
    "simulate": "Simulate devices from a profile or recording",
    "record": "Record answers for `simulate`",
    "doctor": "Check an installation and say what to fix",
    "tls": "Make and show certificates for Modbus/TCP Security",
    "service": "Print or install the systemd unit, cron entry or udev rules",
}


NUMBERS = {"a valid integer range": "a whole number", "a valid integer": "a whole number",
           "a valid float range": "a number", "a valid float": "a number"}  # click's words, and ours


class Commands(click.Group):
    """Imports a command when it is called, so that "softsplit --version" is fast.

    SoftsplitErrors, a full disk and Ctrl-C end with an exit code and at most one line, without a traceback.
    """

    def list_commands(self, context):
        return list(COMMANDS)

    def get_command(self, context, name):
        return getattr(import_module(f"softsplit.commands.{name}.command"), name) if name in COMMANDS else None

    def invoke(self, context):
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            sys.exit(leaving.INTERRUPTED)
        except ConfigError as error:
            raise _named(error, self.get_command(context, context.invoked_subcommand).params) from error

    def resolve_command(self, context, arguments):
        found = super().resolve_command(context, arguments)
        leaving.raise_on_interrupt()  # all imports are done
        return found

    def format_commands(self, context, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *arguments, **options):
        prepare_streams()
        try:
            colour = False if is_dumb() else None  # None: if it is a terminal
            sys.exit(super().main(*arguments, standalone_mode=False, color=colour, **options) or 0)
        except click.UsageError as error:
            _complain_of_usage(error)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(leaving.INTERRUPTED)
        except SoftsplitError as error:
            complain(error)
            sys.exit(error.exit_code)
        except OSError as error:
            if error.errno not in (ENOSPC, EDQUOT):
                raise
            sys.stdout = None  # otherwise Python flushes it again at exit
            complain(f"cannot write to standard output: {error.strerror}")
            sys.exit(1)


def _named(error: ConfigError, parameters: list[click.Parameter]) -> ConfigError:
    """Replace the key of an error by the name of the option or argument."""
    for each in parameters:
        if each.name == error.key:
            is_option = each.param_type_name == "option"
            return ConfigError(error.what, each.opts[-1] if is_option else each.human_readable_name)
    return error


def _of_others(error: click.UsageError) -> str:
    """The message about an option as other programs have it, with the one of ours that it means, if any."""
    from softsplit.commands.shared.options import OPTION_WORDS  # slow to import
    if not isinstance(error, click.NoSuchOption) or error.option_name not in OPTION_WORDS or not error.ctx:
        return ""
    own = [option for each in error.ctx.command.params for option in each.opts]
    hints = [f" Did you mean '{each}'?" for each in OPTION_WORDS[error.option_name] if each in own]
    return f"No such option '{error.option_name}'.{''.join(hints)}"


def _complain_of_usage(error: click.UsageError) -> None:
    """Print the mistake and where to find help in one line; a command without arguments prints its help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    command = error.ctx.command_path if error.ctx else "softsplit"
    what = " ".join((_of_others(error) or error.format_message()).split())
    for theirs, ours in NUMBERS.items():
        what = what.replace(f" is not {theirs}", f" is not {ours}")
    complain(f'{printable(what)[:LONGEST_SAID].rstrip(".")} ("{command} --help" shows how)')


def _show_version(context: click.Context, parameter: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not context.resilient_parsing:
        from importlib.metadata import version  # slow to import
        python = ".".join(map(str, sys.version_info[:3]))
        click.echo(f"softsplit {VERSION}, Python {python}, modbus-tk {version('modbus-tk')}")
        context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version,
              help="Show the versions of softsplit, Python and modbus-tk, and exit.")
def main():
    """One Modbus bus, many masters.

    softsplit is the only master of a Modbus bus. It polls the meters there and serves faithful copies of
    them to any number of masters over Modbus TCP and Modbus RTU.

    \b
    Try it:  softsplit run --demo
    Set up:  softsplit scan tcp://192.168.1.140 >> softsplit.toml
             softsplit example     (shows every key)
             softsplit check
             softsplit run

    Exit codes: 0 success, 1 failure, 2 error in the configuration or the command line.
    """
