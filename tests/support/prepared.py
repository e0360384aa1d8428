"""A process that has imported all of softsplit, and forks for each program that a test starts.

To start Python and to import softsplit costs more than most commands do, and the tests start some six hundred. What is forked
runs `python -m softsplit` or a script as Python itself would: a process of its own, with descriptors 0 to 2, directory and
environment as ordered, streams that were opened on them, and the ending of a process. What depends on how Python itself
starts (locales, closed descriptors, Ctrl-C while modules are imported) is started by `subprocess` as ever.

    python tests/support/prepared.py FD        FD is a socket of `programs.Prepared`
"""

import atexit
import gc
import json
import os
import pkgutil
import resource
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
from importlib import import_module

STATUS = struct.Struct(">i")  # what a program's status pipe carries: its process id, and in the end its exit code


def import_all() -> None:
    import softsplit
    for each in pkgutil.walk_packages(softsplit.__path__, "softsplit."):
        if not each.name.endswith("__main__"):
            import_module(each.name)
    gc.freeze()  # what is never freed is not copied either


def attend(orders: socket.socket) -> dict:
    """Fork for each order. Returns the order in the process that is to carry it out."""
    selector = selectors.DefaultSelector()
    selector.register(orders, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data:
                _report_end(selector, key.fd, *key.data)
                continue
            message, fds, _, _ = socket.recv_fds(orders, 1 << 20, 4)
            if not message:
                sys.exit()
            if not (pid := os.fork()):
                for other in list(selector.get_map().values()):
                    if other.data:
                        os.close(other.fd)
                        os.close(other.data[1])
                selector.close()
                orders.close()
                os.close(fds.pop())
                return json.loads(message) | {"fds": fds}
            *streams, status = fds
            for each in streams:
                os.close(each)
            os.write(status, STATUS.pack(pid))
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))


def _report_end(selector: selectors.BaseSelector, pidfd: int, pid: int, status: int) -> None:
    selector.unregister(pidfd)
    os.close(pidfd)
    try:
        os.write(status, STATUS.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    except BrokenPipeError:
        pass  # nobody waits for it any more
    os.close(status)


def become(order: dict) -> None:
    """Be the process that was ordered: descriptors, directory, environment, streams, signals."""
    for fd, given in enumerate(order["fds"]):
        os.dup2(given, fd)
    for given in order["fds"]:
        if given > 2:
            os.close(given)
    os.chdir(order["cwd"])
    os.umask(order["umask"])
    for what, most in order["limits"]:
        resource.setrlimit(what, (most, most))
    os.environ.clear()
    os.environ.update(order["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = open(2, "w", errors="backslashreplace", closefd=False)
    sys.stderr.reconfigure(line_buffering=True)


def run(words: list[str]) -> None:
    """Run what stands behind `python` on a command line."""
    if words[:2] == ["-m", "softsplit"]:
        sys.path[0] = os.getcwd()
        sys.argv[:] = words[1:]
        runpy.run_module("softsplit", run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(words[0]))
        sys.argv[:] = words
        runpy.run_path(words[0], run_name="__main__")


def end(how: SystemExit) -> None:
    """End as Python does, but without freeing all that was imported, one by one."""
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except (OSError, ValueError):
        return  # Python itself has words for that
    if how.code is None or isinstance(how.code, int):
        os._exit((how.code or 0) & 0xFF)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the programs get it themselves
    sys.path[0] = os.getcwd()
    import_all()
    order = attend(socket.socket(fileno=int(sys.argv[1])))
    become(order)
    try:
        run(order["words"])
        sys.exit()
    except SystemExit as how:
        end(how)
        raise
