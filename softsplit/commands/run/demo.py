"""`softsplit run --demo`: a real splitter with real sockets and two simulated meters."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from softsplit.commands.shared.configuration import find_config
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.config.downstream import Downstream
from softsplit.config.loader import NoConfig
from softsplit.config.topology import Topology
from softsplit.config.upstream import Unit, Upstream
from softsplit.config.url import Url
from softsplit.daemon.instance import Instance
from softsplit.errors import ConfigError
from softsplit.logs.setup import Logs, set_up_logging, tell_of_log_file
from softsplit.profiles import load_profile
from softsplit.splitter import Splitter
from softsplit.worker import Worker, run_until_signal, signals_held, stop_all

UNITS = (100, 2)
BAUDRATE = 19200

CONFIG = Path(__file__)  # commands find the demo by it, like a script

TEXT = """\
Two simulated ABB B23 meters, units 100 and 2, share one simulated bus at
{baudrate} baud behind a gateway. softsplit is the only master of that bus. It
serves both meters to as many masters as you like:

  Modbus TCP    {tcp}
  Modbus RTU    {serial}  ({baudrate} 8N1)

Try in another terminal:

  {program} read -a 127.0.0.1:{port} -u 100 -p abb-b23 -d
  {program} status{which}
  {program} top{which}
  {program} check{which}
  {program} doctor{which}

Or another master: mbpoll, from the Debian package of that name:

  mbpoll -m tcp -p {port} -a 100 -0 -t 4 -r 23296 -c 62 -1 127.0.0.1
  mbpoll -m rtu -b {baudrate} -P none -a 2 -0 -t 4 -r 23296 -c 62 -1 {serial}

Ctrl-C ends it.
"""


def run_demo(say: Callable[[str], None], program: str, port: int, logs: Logs) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP. Raises DownstreamError, or AlreadyRunning.

    It prints with `say` what to try; `program` is the command of this command line; `port` is that of the TCP
    server, 0 for any.
    """
    set_up_logging(logs)
    tell_of_log_file(logs)
    which = _which()
    with TemporaryDirectory(prefix="softsplit-demo-") as directory, signals_held(), ExitStack() as ending:
        cable = Cable()
        ending.callback(stop_all, [cable])  # stop it last, or the server would report that its device is gone
        adapter = Path(directory, "adapter")
        adapter.symlink_to(cable.left)  # so that the output names only one /dev/pts, that for masters
        gateway = simulated_server(load_profile("abb-b23"), UNITS, Url("tcp", "127.0.0.1", 0),
                                   baudrate=BAUDRATE)
        gateway.open()
        topology = _wiring(gateway.url, port, str(adapter))
        splitter = Splitter(topology)
        instance = ending.enter_context(Instance(CONFIG, topology, splitter.expect_check))

        def build() -> list[Worker]:
            splitter.open()
            url = splitter.servers[0].url
            say(TEXT.format(program=program, which=which, tcp=url, serial=cable.right, port=url.port,
                            baudrate=BAUDRATE))
            cable.start()
            return [gateway, *splitter.workers]

        run_until_signal(build, lambda: instance.attend(splitter.status()))


def _wiring(gateway: Url, port: int, adapter: str) -> Topology:
    meters = Upstream(gateway, [Unit(unit, "abb-b23") for unit in UNITS], baudrate=BAUDRATE, name="meters")
    return Topology([
        Downstream(Url("tcp", "127.0.0.1", port), [meters], name="victron"),
        Downstream(Url("rtu", path=adapter), [meters], baudrate=BAUDRATE, mode="8N1", name="maxem"),
    ])


def _which() -> str:
    """The option that selects the demo, if commands without it would find another configuration."""
    try:
        find_config(None)
    except NoConfig:
        return ""
    except ConfigError:  # several run
        pass
    return f" -c {CONFIG}"
