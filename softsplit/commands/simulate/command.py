"""The options of `softsplit simulate`."""

from functools import partial

import click

from softsplit.commands.shared.options import BAUDRATE, Finite, Parsed, mode_option
from softsplit.commands.simulate.faults import Fault, Faults, parse_fault, parse_mute
from softsplit.commands.simulate.replay import SPEEDS
from softsplit.commands.simulate.simulate import run_simulation
from softsplit.config.schemes import SIMULATED
from softsplit.config.url import parse_url


@click.command()
@click.argument("what", metavar="PROFILE|RECORDING")
@click.argument("url", type=Parsed("url", partial(parse_url, schemes=SIMULATED, lowest_port=0)))
@click.option("-u", "--unit", "units", multiple=True, metavar="UNIT",
              help="Unit id, or the eight hex digits of a four-byte address; can be repeated. "
              "Default for a recording: all its units.")
@click.option("--baudrate", type=BAUDRATE, metavar="BAUD",
              help="Baud rate of the serial line; over TCP, answers take as long as on such a line.")
@mode_option
@click.option("--mute", type=Parsed("mute", parse_mute), multiple=True, metavar="UNIT[@FROM[-TO]]",
              help="Unit that does not answer, from second FROM to second TO after the start.")
@click.option("--drop", type=click.IntRange(2), multiple=True, metavar="N", help="Drop every Nth answer.")
@click.option("--fault", type=Parsed("fault", parse_fault), multiple=True, metavar="FAULT",
              help="Fault to simulate; see above.")
@click.option("--speed", type=Finite(*SPEEDS), metavar="X", help="Play a recording X times as fast.")
def simulate(what, url, units, baudrate, mode, mute, drop, fault, speed):
    """Simulate devices from a profile or recording, at URL.

    PROFILE is a shipped profile ("softsplit profile list") or a path that ends in .toml. URL is
    tcp://ADDRESS[:502], udp://ADDRESS[:502], rtuovertcp://ADDRESS:PORT, rtu:///dev/ttyUSB0, or
    pty:///tmp/line, which creates a pseudo-terminal for rtu:///tmp/line. A master that opens it at another
    speed than --baudrate reads garbage.

    RECORDING is a FILE.jsonl of "softsplit record", with its older parts beside it. It plays in a loop: after
    the end it starts again, and counters fall back. Addresses that were not recorded get exception 0x02.

    \b
    A fault is KIND[:ARG][,unit=UNIT][,every=N][,from=S][,to=S]; times are in
    seconds after the start. KIND is
      exception:CODE  the unit answers with this exception
      late:SECONDS    the unit answers late; other requests wait, as on a line
      silent          the unit does not answer
      damaged         the answer has a wrong CRC, or over Modbus TCP a wrong
                      function code
      foreign         the answer comes from another unit

    \b
    Examples: softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 100
              softsplit simulate abb-b23 pty:///tmp/line --unit 2 --baudrate 9600
              softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 2
                  --fault damaged,every=5,from=20,to=60
              softsplit simulate house.jsonl tcp://127.0.0.1:8899 --speed 10
    """
    scheduled = [*fault, *mute, *(Fault("silent", every=each) for each in drop)]
    run_simulation(what, units, url, Faults(scheduled), baudrate, mode, speed)
