"""The base class of all our threads; start, watch and stop them."""

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

STOP_TIME = 1.5  # s for all threads to end
WATCH = 1.0  # s between checks of the threads
HUNG = 30.0  # s without a beat after which a thread has hung
SIGNALS = {signal.SIGINT, signal.SIGTERM}  # end the process
if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # nohup ignores it
    SIGNALS.add(signal.SIGHUP)
SENT = (0, -1, -6, 0x80)  # si_code of kill, sigqueue, tgkill, the kernel; <asm-generic/siginfo.h>


class Worker:
    """A thread that repeats `step()` until it is stopped. An exception from `step()` is a bug and ends it.

    Subclasses override `step()`, `close()`, which runs in the thread at its end, and `wake()`, which ends a
    pause of `step()`. `beat` is the time of the latest step or pause; a thread without a beat for
    `hung_after` seconds has hung.
    """

    hung_after = HUNG

    def __init__(self, name: str):
        self.name = name
        self.beat = clock.now()
        self.error: Exception | None = None
        self.stopping = threading.Event()
        self._worker_thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:  # main thread
        """Start the thread, with signals blocked: the main thread handles them."""
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
        """Wait, with a beat every second; return whether the thread should stop."""
        end = clock.now() + seconds
        while True:
            self.beat = clock.now()
            left = end - self.beat
            if self.stopping.wait(min(max(left, 0.0), WATCH)) or left <= WATCH:
                return self.stopping.is_set()

    def step(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Release what the thread owns."""

    def wake(self) -> None:  # any thread
        """End a pause of `step()`, unless it waits on `stopping`."""

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
    """End all threads within two seconds."""
    for worker in workers:
        worker.stop()
    deadline = clock.now() + STOP_TIME
    for worker in workers:
        if not worker.join(max(0.0, deadline - clock.now())):
            log.warning("%s did not end in time", worker.name)


class Watchdog:
    """Finds workers that have hung: those without a beat for too long while the watchdog itself ran."""

    def __init__(self, workers: Sequence[Worker]):
        self._workers = workers
        self._looked_at = self._awake_since = clock.now()

    def look(self) -> None:
        """Log all stacks and raise SoftsplitError if a worker has hung."""
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
    """Return the stack of every thread of the process."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
                     for ident, frame in sys._current_frames().items())


@contextmanager
def signals_held() -> Iterator[None]:
    """Block signals in this context, so that they do not interrupt it half done. For the main thread."""
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def run_until_signal(build: Callable[[], Sequence[Worker]], attend: Callable[[], None] = lambda: None,
                     leave: Callable[[], None] = lambda: None) -> None:
    """Run the threads that `build` returns, until SIGINT, SIGTERM or SIGHUP. For the main thread.

    It calls `attend` once a second while they run, and `leave` before it stops them. Raises what these three
    raise, and SoftsplitError if a thread fails or hangs.
    """
    with signals_held():  # `_was_signalled` waits for them
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
            while signal.sigtimedwait(SIGNALS, 0):  # discard repeated signals
                pass


def _was_signalled() -> bool:
    """Wait up to WATCH seconds for a signal.

    After a SIGSTOP and a SIGCONT, Python 3.11 returns arbitrary memory as if a signal had come; hence the
    checks.
    """
    found = signal.sigtimedwait(SIGNALS, WATCH)
    return found is not None and found.si_signo in SIGNALS and found.si_code in SENT


def _watch(workers: Sequence[Worker], attend: Callable[[], None]) -> None:
    """Watch the threads until a signal comes. Raises SoftsplitError if one fails or hangs."""
    watchdog = Watchdog(workers)
    attend()
    while not _was_signalled():
        for worker in workers:
            if worker.join(0):
                raise SoftsplitError(f"{worker.name} has failed; please report the traceback above")
        watchdog.look()
        attend()
