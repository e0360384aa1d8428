"""The base class of all our threads, and how they are started, watched and stopped."""

import logging
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from softsplit import clock
from softsplit.errors import SoftsplitError

log = logging.getLogger("softsplit")

STOP_TIME = 1.5  # s all threads have to end
WATCH = 1.0  # s between looks at the threads
HUNG = 30.0  # s without a beat after which a thread has hung
SIGNALS = {signal.SIGINT, signal.SIGTERM}  # that end a process
if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # nohup has it ignored
    SIGNALS.add(signal.SIGHUP)
SENT = (0, -1, -6, 0x80)  # by kill, sigqueue, tgkill, the kernel; <asm-generic/siginfo.h>


class Worker:
    """A thread that repeats `step()` until it is stopped. What `step()` lets through is a bug and ends it.

    Subclasses override `step()`, `close()`, which runs in the thread at its end, and `wake()`, which gets
    `step()` out of its pause. `beat` is the time of the latest step or pause; without one for
    `hung_after` seconds the thread has hung.
    """

    hung_after = HUNG

    def __init__(self, name: str):
        self.name = name
        self.beat = clock.now()
        self.error: Exception | None = None
        self.stopping = threading.Event()
        self._worker_thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:  # main thread
        """Start the thread, to which no signal is delivered: they are the main thread's."""
        earlier = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # inherited
        self._worker_thread.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)

    def stop(self) -> None:  # any thread
        """Ask the thread to end; `join()` waits for it."""
        self.stopping.set()
        self.wake()

    def join(self, timeout: float) -> bool:  # main thread
        """Wait until the thread has ended; return whether it has."""
        if self._worker_thread.ident is not None:
            self._worker_thread.join(timeout)
        return not self._worker_thread.is_alive()

    def pause(self, seconds: float) -> bool:
        """Wait, and count as alive meanwhile; return whether the thread is to stop."""
        end = clock.now() + seconds
        while True:
            self.beat = clock.now()
            left = end - self.beat
            if self.stopping.wait(min(max(left, 0.0), WATCH)) or left <= WATCH:
                return self.stopping.is_set()

    def step(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what the thread owns."""

    def wake(self) -> None:  # any thread
        """End the pause of `step()`; one that waits on `stopping` needs nothing more."""

    def _work(self) -> None:
        try:
            while not self.stopping.is_set():
                self.beat = clock.now()
                self.step()
        except Exception as error:
            log.critical("%s has failed, which is a bug", self.name, exc_info=True)
            self.error = error
        finally:
            self.close()


def start_all(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.start()


def stop_all(workers: Sequence[Worker]) -> None:
    """End all threads, within two seconds."""
    for worker in workers:
        worker.stop()
    deadline = clock.now() + STOP_TIME
    for worker in workers:
        if not worker.join(max(0.0, deadline - clock.now())):
            log.warning("%s did not end in time", worker.name)


class Watchdog:
    """Finds workers that have hung: those that sent no beat for too long while the watchdog itself ran."""

    def __init__(self, workers: Sequence[Worker]):
        self._workers = workers
        self._looked_at = self._awake_since = clock.now()

    def look(self) -> None:
        """Raise SoftsplitError when a worker has hung, after all stacks were logged."""
        now = clock.now()
        if now - self._looked_at > HUNG / 2:  # the whole process stood still
            self._awake_since = now
        self._looked_at = now
        for worker in self._workers:
            silent = now - max(worker.beat, self._awake_since)
            if silent > worker.hung_after:
                log.critical("%s has hung; what every thread does:", worker.name)
                for each in all_stacks().splitlines():
                    log.critical("%s", each)
                raise SoftsplitError(f"{worker.name} has not moved for {silent:.0f} s; please report the "
                                     "stacks above")


def all_stacks() -> str:
    """What every thread of the process does at this moment."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
                     for ident, frame in sys._current_frames().items())


@contextmanager
def signals_held() -> Iterator[None]:
    """Let signals that end the process wait until what was begun is there to be undone. For the main thread."""
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def run_until_signal(build: Callable[[], Sequence[Worker]], attend: Callable[[], None] = lambda: None,
                     leave: Callable[[], None] = lambda: None) -> None:
    """Run the threads that `build` returns, until SIGINT, SIGTERM or SIGHUP. For the main thread.

    `attend` is called once a second while they run, `leave` when they are about to be stopped. Raises what
    these three raise, and SoftsplitError when a thread fails or hangs.
    """
    with signals_held():  # they are waited for below
        try:
            workers = build()
            try:
                start_all(workers)
                _watch(workers, attend)
            finally:
                leave()
                stop_all(workers)
            log.info("stopped")
        finally:
            while signal.sigtimedwait(SIGNALS, 0):  # who asks twice has been heard once
                pass


def _was_signalled() -> bool:
    """Wait for a signal, for a while.

    After a SIGSTOP and a SIGCONT Python 3.11 returns what happens to lie in memory, as if a signal had come.
    """
    found = signal.sigtimedwait(SIGNALS, WATCH)
    return found is not None and found.si_signo in SIGNALS and found.si_code in SENT


def _watch(workers: Sequence[Worker], attend: Callable[[], None]) -> None:
    """Look after the threads until a signal comes. Raises SoftsplitError when one fails or hangs."""
    watchdog = Watchdog(workers)
    attend()
    while not _was_signalled():
        for worker in workers:
            if worker.join(0):
                raise SoftsplitError(f"{worker.name} has failed; please report the traceback above")
        watchdog.look()
        attend()
