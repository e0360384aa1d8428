"""`softsplit run --demo`: a real splitter with real sockets and two simulated meters."""

from collections.abc import Callable

from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.config.topology import Downstream
from softsplit.config.upstream import Unit, Upstream
from softsplit.config.url import Url
from softsplit.logs.setup import Logs, set_up_logging, tell_of_log_file
from softsplit.profiles import load_profile
from softsplit.splitter import Splitter
from softsplit.worker import Worker, run_until_signal, stop_all

UNITS = (100, 2)
PORT = 5020
BAUDRATE = 19200

TEXT = """\
Two simulated ABB B23 meters, units 100 and 2, share one simulated bus at {baudrate} baud behind a gateway.
softsplit is its only master, and serves both meters to as many masters as you like:

  over Modbus TCP    {tcp}
  over Modbus RTU    {serial}  ({baudrate} 8N1)

Try in another terminal (mbpoll is a Debian package of that name):

  mbpoll -m tcp -p {port} -a 100 -0 -t 4 -r 23296 -c 62 -1 127.0.0.1
  mbpoll -m rtu -b {baudrate} -P none -a 2 -0 -t 4 -r 23296 -c 62 -1 {serial}
  {program} read -a 127.0.0.1:{port} -u 100 0x5B00 62
  {program} top -a 127.0.0.1:{port} -u 100 -p abb-b23

Ctrl-C ends it.
"""


def run_demo(say: Callable[[str], None], program: str, port: int, logs: Logs) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP. Raises DownstreamError.

    `say` is told what there is to try; `program` is what a user calls to run this command line; `port` is
    that of the TCP server, 0 for any.
    """
    cable = Cable()

    def build() -> list[Worker]:
        meter = load_profile("abb-b23")
        gateway = simulated_server(meter, UNITS, Url("tcp", "127.0.0.1", 0), baudrate=BAUDRATE)
        gateway.open()
        meters = Upstream(gateway.url, [Unit(unit, meter) for unit in UNITS], name="meters")
        tcp = Downstream(Url("tcp", "127.0.0.1", port), [meters], name="victron")
        serial = Downstream(Url("rtu", path=cable.left), [meters], baudrate=BAUDRATE, mode="8N1",
                            name="maxem")
        splitter = Splitter([tcp, serial])
        splitter.open()
        url = splitter.servers[0].url
        say(TEXT.format(program=program, tcp=url, serial=cable.right, port=url.port, baudrate=BAUDRATE))
        cable.start()
        return [gateway, *splitter.workers]

    set_up_logging(logs)
    tell_of_log_file(logs)
    try:
        run_until_signal(build)
    finally:
        stop_all([cable])  # last, or the server at its end would say that its device is gone
