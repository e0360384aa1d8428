"""softsplit simulate"""

import click

from softsplit.commands.shared.options import BAUDRATE, Finite, mode_option
from softsplit.commands.simulate.faults import Fault, Faults, parse_fault, parse_mute
from softsplit.commands.simulate.simulate import run_simulation
from softsplit.config.schemes import SIMULATED
from softsplit.config.url import parse_url
from softsplit.profiles import shipped_profiles

HELP = f"""Be a device that is not there: answer at URL as PROFILE says the real one would.

PROFILE is one of {', '.join(shipped_profiles())}, or a path that ends in .toml. URL is tcp://ADDRESS[:502],
rtuovertcp://ADDRESS:PORT, rtu:///dev/ttyUSB0, or pty:///tmp/line to make a pseudo-terminal there for
rtu:///tmp/line, which sends rubbish while that is not opened with the --baudrate.

RECORDING is a FILE.jsonl of "softsplit record", with its older parts beside it. It is played again and again,
because what stayed at its end would look alive and be old; counters fall back then. What was not recorded is
refused with 0x02.

\b
A fault is KIND[:ARG][,unit=UNIT][,every=N][,from=S][,to=S], times in seconds after the start, and KIND
  exception:CODE  the unit refuses
  late:SECONDS    it answers too late; who asks another unit meanwhile waits, as on a line
  silent          it does not answer
  damaged         its answer has a wrong CRC, or over Modbus TCP a wrong function
  foreign         its answer comes from another unit

\b
Examples: softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 100 --unit 2 --baudrate 19200
          softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 2 --fault damaged,every=5,from=20,to=60
          softsplit simulate house.jsonl tcp://127.0.0.1:8899 --speed 10"""


@click.command(help=HELP)
@click.argument("what", metavar="PROFILE|RECORDING")
@click.argument("url")
@click.option("--unit", "units", multiple=True, metavar="UNIT",
              help="Unit id, or all eight hex digits of an address of four bytes; give one for each device. "
              "Without any, all units of a recording are there.")
@click.option("--baudrate", type=BAUDRATE, help="Of the serial line; over TCP its wire time is imitated.")
@mode_option
@click.option("--mute", multiple=True, metavar="UNIT[@FROM[-TO]]",
              help="A unit that does not answer, from and to so many seconds after the start.")
@click.option("--drop", type=click.IntRange(2), multiple=True, metavar="N", help="Lose every Nth answer.")
@click.option("--fault", multiple=True, metavar="FAULT", help="What goes wrong, and when; see above.")
@click.option("--speed", type=Finite(), metavar="X", help="Play a recording X times as fast.")
def simulate(what, url, units, baudrate, mode, mute, drop, fault, speed):
    scheduled = [*map(parse_fault, fault), *map(parse_mute, mute),
                 *[Fault("silent", every=each) for each in drop]]
    where = parse_url(url, SIMULATED, 0)
    run_simulation(what, units, where, Faults(scheduled), baudrate, mode, speed)
