"""What nobody should type, by chance and on purpose: command lines, configurations and profiles, from one seed each."""

import io
import random
import re
import resource
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

from softsplit.cli import main
from softsplit.config.loader import load_config
from softsplit.errors import ConfigError
from softsplit.profiles import load_profile

CODES = (0, 1, 2, 3, 130)
LARGEST = 200_000  # kB
SLOWEST = 3.0  # s of CPU time
DIGITS = "9" * 5000
WORDS = ["", " ", "-", "--", "-1", "0", "1", "247", "248", "65536", DIGITS, "0x" + "f" * 5000, "nan", "inf", "-inf", "1e-300", "1e300",
         "1e-9", "x" * 3000, "\n", "\t", "\x1b[31m", "ü", "\udcff", "‮", "/", "/dev/null", "/dev/zero", "/nowhere", ".", "..",
         "a.toml", "abb-b23", "abb-b23x", "1-32,100", "1-", "8N1", "7E1", "9600", "u16", "u32,text:8", f"text:{DIGITS}", "raw:0",
         "holding registers", "40001", "400001", "tcp://", "tcp://127.0.0.1:1", "tcp://127.0.0.1:99999", "tcp://192.168.1.999:1",
         "tcp://*:502", "rtu:///nowhere", "rtu://", "rtuovertcp://127.0.0.1:1", "listen:///nowhere", "pty:///nowhere/x", "127.0.0.1:1",
         "[::1]:1", "tcp://[::1", "1@2-3", "1@", f"1@{DIGITS}", "silent", "exception:300", "late:nan", "damaged,every=0",
         "silent,from=nan,to=1", "1=abb-b23", "1=", "=", "90s", "0s", "1e400", "5k", "0M", "nowhere.jsonl", "systemd", "cron"]
FORBIDDEN = ("--watch", "--install", "--uninstall", "--demo", "--root", "--every", "--watch", "--if-needed", "--syslog", "--help")  # what does or waits
LAST = {  # what a command line ends with, so that nobody is asked who is there, and not for long
    "read": ["-a", "127.0.0.1:1"], "scan": ["--units", "1", "--timeout", "0.01"], "record": ["--for", "0.1s"],
}
QUICK = ("check", "status", "doctor", "service", "read", "scan")  # the others wait for Ctrl-C, if they find nothing wrong
CONFIG = '''[status]
url = "http://0.0.0.0:8502"
allow = ["10.0.0.0/8"]
hosts = ["house.example.org"]
[upstream.meters]
url = "tcp://192.168.1.140:8899"
timeout = 2.5
baudrate = 9600
units = { 100 = "abb-b23", 2 = { profile = "own.toml", every = { first = 60 } } }

[downstream.victron]
url = "tcp://0.0.0.0:502"
serves = ["meters"]
max_age = 5
when_stale = "silent"
allow = ["192.168.1.0/24"]
allow_writes = ["meters/100 holding registers 0x8C04+8"]

[downstream.maxem]
url = "rtu:///dev/ttyUSB0"
units = { 1 = "meters/100" }
'''
PROFILE = '''title = "A meter"
functions = [3, 16]
readable = [{ address = 0, count = 100 }]

[[block]]
name = "first"
address = 0x10
count = 20
every = 1.5

[[register]]
name = "value_{n}"
type = "u32"
address = 0x10
repeat = 5
resolution = "0.1 V"
not_available = 0xFFFFFFFF
states = { 0 = "off", 1 = "on" }

[identify]
address = 0x10
type = "text"
count = 2
starts_with = "A"
'''
VALUES = ["", "-1", "0", "1e300", "1e-300", "nan", "inf", "true", "''", '"x"', '"\\u0000"', '"\\u001b[31m"', "[]", "{}", "[[]]", "[1]",
          '["x"]', "{ a = 1 }", "1979-05-27", "07:32:00", DIGITS, "0x" + "f" * 5000, '"' + "x" * 5000 + '"', "[" * 500 + "]" * 500,
          "{ a." + "b." * 3000 + "c = 1 }", "'tcp://*:1'", "'meters/1'", "60000", "65535", "0.0001", "[" + "1," * 3000 + "]"]
KEYS = ["x", "a.b", "[a]", "[[upstream]]", '""', "a" + ".a" * 3000, "a" * 3000]


def text_of(chance: random.Random, text: str) -> str:
    """A configuration or a profile with one to four changes."""
    for _ in range(chance.randint(1, 4)):
        lines = text.split("\n")
        number = chance.randrange(len(lines))
        key, equals, _ = lines[number].partition(" = ")
        match chance.randrange(8):
            case 0 | 1 | 2 if equals:
                lines[number] = f"{key} = {chance.choice(VALUES)}"
            case 3:
                lines[number] = chance.choice(lines)
            case 4:
                del lines[number]
            case 5:
                at = chance.randrange(len(lines[number]) + 1)
                lines[number] = lines[number][:at] + chance.choice("\0\n\r\t\"'[]{}=.#\\\x1bü‮￾0") + lines[number][at + chance.randrange(3):]
            case 6:
                lines[number] = f"{chance.choice(KEYS)} = {chance.choice(VALUES)}"
            case _:
                lines[number] = re.sub(r"[0-9]+", chance.choice(("0", "1", "999", DIGITS)), lines[number], count=1)
        text = "\n".join(lines) or " "
    return text


def words_of(chance: random.Random, name: str, options: list[str]) -> list[str]:
    """A command line of one command."""
    options = options or ["list", "show", "check", "import", "learned"]  # of a group: its commands
    words = [name]
    for _ in range(chance.randint(0, 5)):
        words += [chance.choice(options)] * chance.randrange(2) + [chance.choice(WORDS)] * (chance.random() < 0.8)
    words = [word for word in words if word != "/dev/zero" or name != "sniff"]
    return words + LAST.get(name, [])


def options_of(name: str) -> list[str]:
    """All options of a command that do nothing to the machine."""
    found = main.get_command(None, name).params
    return [each for parameter in found if parameter.param_type_name == "option" for each in parameter.opts
            if each not in FORBIDDEN]


def most_memory() -> int:
    """The most that this process has ever taken, in kB; other tests ran in it before."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def hold(words: list[str], run) -> None:
    """Run something, which must end at once, with one line where it is wrong, and a code that we know."""
    memory = most_memory()
    begun, out, err = time.process_time(), io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run()
            code = 0
        except SystemExit as error:
            code = error.code
        except ConfigError as error:
            code = error.exit_code
            print(error, file=sys.stderr)
        except BaseException as error:
            raise AssertionError(f"{error!r} from {words!r}") from error
    lines = err.getvalue().splitlines()
    assert code in CODES and (code != 2 or len(lines) == 1 or "nothing is served" in out.getvalue()
                              or out.getvalue().startswith("SOFTSPLIT ")), (words, code, lines)
    assert "Traceback" not in err.getvalue() and len(err.getvalue()) < 20_000, (words, lines)
    assert time.process_time() - begun < SLOWEST, words
    assert most_memory() - memory < LARGEST / 2, words


def try_all(seed: int, count: int, directory) -> None:
    """Feed the configuration, the profile loader and the quick commands with so much nonsense; the working directory is one of ours."""
    chance = random.Random(seed)
    options = {name: options_of(name) for name in QUICK}
    own, other = directory / "own.toml", directory / "nonsense.toml"
    for _ in range(count):
        own.write_text(PROFILE)
        what = chance.randrange(3)
        if what == 0:
            other.write_text(text := text_of(chance, CONFIG), errors="replace")
            hold([text], lambda: load_config(other))
        elif what == 1:
            own.write_text(text := text_of(chance, PROFILE), errors="replace")
            hold([text], lambda: load_profile("own.toml", directory))
        else:
            words = words_of(chance, name := chance.choice(QUICK), options[name])
            hold(words, lambda: main.main(words, prog_name="softsplit"))
