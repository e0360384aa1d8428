"""The options of `softsplit run`."""

import click

from softsplit.commands.shared.messages import program
from softsplit.commands.shared.options import FILE, config_option, refuse_without
from softsplit.commands.shared.output import say
from softsplit.config import loader
from softsplit.daemon.keepalive import keep_running
from softsplit.logs.setup import Logs, chosen_level

PORT = 5020  # of the demo


@click.command()
@config_option
@click.option("--if-needed", is_flag=True,
              help="For cron: start a process in the background unless a healthy one runs.")
@click.option("--log-file", type=FILE, metavar="FILE",
              help="Log to a file, rotated at 1 MB; 3 older files are kept.")
@click.option("--syslog", is_flag=True, help="Log to syslog; the default with --if-needed.")
@click.option("-v", "--verbose", count=True, help="Log at level DEBUG.")
@click.option("-q", "--quiet", count=True, help="Log warnings and errors only; -qq errors only.")
@click.option("--demo", is_flag=True, help="Run with two simulated meters; needs no hardware.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, metavar="PORT",
              help="TCP port of the demo; 0 takes any free port.")
def run(path, if_needed, log_file, syslog, verbose, quiet, demo, port):
    """Run the splitter in the foreground until Ctrl-C, SIGTERM or SIGHUP.

    \b
    Examples: softsplit run --demo
              softsplit run -c softsplit.toml
    For cron: * * * * * /usr/local/bin/softsplit run --if-needed

    With --if-needed it prints nothing while a healthy process runs the configuration, starts a process if
    there is none, and replaces one that has not answered for 30 s. "softsplit service cron" prints the entry
    for cron.

    Exit codes: 3 if another process already runs the same configuration; otherwise those of
    "softsplit --help".
    """
    if demo and (path or if_needed):
        raise click.UsageError("--demo has its own configuration; leave out -c and --if-needed")
    if log_file and syslog:
        raise click.UsageError("--log-file and --syslog exclude each other; give one of them")
    refuse_without(demo, "--demo", "port")
    logs = Logs(log_file, syslog or if_needed and not log_file, chosen_level(verbose, quiet))
    if demo:
        from softsplit.commands.run.demo import run_demo  # imported here: the others start faster without it
        run_demo(say, program(), port, logs)
    elif if_needed:
        keep_running(loader.find_config(path), logs)
    else:
        from softsplit.splitter import run_config
        run_config(loader.find_config(path), logs)
