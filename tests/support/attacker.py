"""Another user of the machine: what anybody can try against presence, and what a hostile service user can."""

import fcntl
import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

NOBODY = 65534
FEED = b"0.1 status" + b"x" * 65536  # without end
NAMES = ("softsplit/{key}", "softsplit-{key}", "softsplit/run/{key}", "{path}/{key}/socket")
SQUATTED = ("/tmp/softsplit-0", "/tmp/softsplit")
held = []


@contextmanager
def as_nobody(act: Callable, *arguments):
    """While another user does something; gives what receives what `act` tells its first argument."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_become, args=(there, act, arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield here.recv
    finally:
        process.kill()
        process.join()
        here.close()


def _become(end, act: Callable, arguments) -> None:
    """Be nobody, who has nothing open that root has."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd != end.fileno():
            try:
                os.close(fd)
            except OSError:
                pass  # of the listing itself
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    os.chdir("/")
    act(end.send, *arguments)


def claim(address: str, answer: bytes, is_endless: bool = False) -> None:
    """Be a process that runs a configuration, or one that hangs, or feeds without end."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(address)
    sock.listen()
    held.append(sock)

    def accept() -> None:
        while True:
            peer, _ = sock.accept()
            held.append(peer)
            try:
                while answer:
                    peer.sendall(answer)
                    if not is_endless:
                        peer.close()
                        break
            except OSError:
                pass

    threading.Thread(target=accept, daemon=True).start()


def claim_names(path: str, key: str) -> None:
    for name in NAMES:
        for stem, answer in ((key, b"0.1 status\n"), (key, FEED), (key, b""), ("other", b"99.0 -\n")):
            try:
                claim("\0" + name.format(path=path, key=stem), answer, answer is FEED)
            except OSError:
                pass  # it is ours already


def squat(managed: Callable, places: list[str], key: str) -> None:
    """Make directories where some program may look, with a socket and a status that lie."""
    lie = {"format": 1, "written_at": time.time(), "process": {"pid": 1}, "upstreams": {}, "downstreams": {}}
    for place in places:
        state = f"{place}/{key}"
        try:
            os.makedirs(state)
            os.chmod(place, 0o755)
            with open(f"{state}/status.json", "w") as file:
                json.dump(lie, file)
            claim(f"{state}/socket", b"0.1 status\n")
        except OSError:
            continue
        if place.startswith("/run/"):
            managed(f"made {place}")


def meddle(managed: Callable, path: str, key: str, pid: int) -> None:
    """Try to lock, to change and to use what is there, and to signal the process."""
    state = f"{path}/{key}"
    tries = {
        "opened the lock": lambda: os.open(f"{path}/lock", os.O_RDONLY),
        "removed the status": lambda: os.unlink(f"{state}/status.json"),
        "removed the socket": lambda: os.unlink(f"{state}/socket"),
        "replaced the status": lambda: os.symlink("/dev/zero", f"{state}/status.json.new"),
        "made a pipe": lambda: os.mkfifo(f"{path}/pipe"),
        "moved the state": lambda: os.rename(state, f"{state}.old"),
        "changed the status": lambda: open(f"{state}/status.json", "a"),
        "used the socket": lambda: socket.socket(socket.AF_UNIX).connect(f"{state}/socket"),
        "stopped the process": lambda: os.kill(pid, signal.SIGSTOP),
    }
    for what, act in tries.items():
        try:
            act()
        except OSError:
            continue
        managed(what)
    for each in (path, state, f"{state}/status.json"):  # these anybody may read, and so lock
        try:
            held.append(os.open(each, os.O_RDONLY))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            managed(f"could not lock {each}, which somebody else has locked")


def flood(managed: Callable, path: str, key: str) -> None:
    while True:
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(f"{path}/{key}/socket")
                managed("used the socket")
            except OSError:
                time.sleep(0.001)


def attack(tell: Callable, path: str, key: str, pid: int) -> None:
    """Tell each thing that can be done below the runtime directory or to the process, then "ready"; and go on."""
    claim_names(path, key)
    squat(tell, [*SQUATTED, "/run/softsplit-evil", f"{path}-evil", "/run/user/0/softsplit"], key)
    if pid:
        meddle(tell, path, key, pid)
        threading.Thread(target=flood, args=(tell, path, key), daemon=True).start()
    tell("ready")
    signal.pause()


def serve(tell: Callable, address: str, answer: bytes, is_endless: bool) -> None:
    """Be a process that answers so."""
    claim(address, answer, is_endless)
    tell("ready")
    signal.pause()
