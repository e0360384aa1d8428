"""The one kind of thread we start, and how it tells of trouble without flooding the log."""

import logging
import signal
import threading
import time
from collections.abc import Sequence

from softsplit.errors import SoftsplitError

log = logging.getLogger("softsplit")

STOP_TIME = 1.8  # s all threads have to end
WATCH = 0.5  # s between looks at the threads


class Worker:
    """A thread that repeats `step()` until it is stopped. What `step()` lets through is a bug and ends it.

    Subclasses override `step()`, which returns within a second, `close()`, which runs in the thread at its
    end, and `wake()`, which gets `step()` out of its pause. `beat` is the monotonic time of the latest step.
    """

    def __init__(self, name: str):
        self.name = name
        self.beat = time.monotonic()
        self.error: Exception | None = None
        self.stopping = threading.Event()
        self._worker_thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._worker_thread.start()

    def stop(self) -> None:  # any thread
        """Ask the thread to end; `join()` waits for it."""
        self.stopping.set()
        self.wake()

    def join(self, timeout: float) -> bool:
        """Wait until the thread has ended; return whether it has."""
        if self._worker_thread.ident is not None:
            self._worker_thread.join(timeout)
        return not self._worker_thread.is_alive()

    def step(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what the thread owns."""

    def wake(self) -> None:  # any thread
        """End the pause of `step()`; one that waits on `stopping` needs nothing more."""

    def _work(self) -> None:
        try:
            while not self.stopping.is_set():
                self.beat = time.monotonic()
                self.step()
        except Exception as error:
            log.critical("%s has failed, which is a bug", self.name, exc_info=True)
            self.error = error
        finally:
            self.close()


def start(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.start()


def stop(workers: Sequence[Worker]) -> None:
    """End all threads, within two seconds."""
    for worker in workers:
        worker.stop()
    deadline = time.monotonic() + STOP_TIME
    for worker in workers:
        if not worker.join(max(0.0, deadline - time.monotonic())):
            log.warning("%s did not end in time", worker.name)


def run(workers: Sequence[Worker]) -> None:
    """Run all threads until SIGINT or SIGTERM; for the main thread. Raises SoftsplitError when one fails."""
    signals = {signal.SIGINT, signal.SIGTERM}
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # inherited by every thread; waited for below
    try:
        start(workers)
        while signal.sigtimedwait(signals, WATCH) is None:
            for worker in workers:
                if worker.error is not None:
                    raise SoftsplitError(f"{worker.name} has failed; please report the traceback above")
    finally:
        stop(workers)
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
    log.info("stopped")


def set_up_logging() -> None:
    """Log to stderr, unless the program has made up its mind already."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s",
                        datefmt="%Y-%m-%d %H:%M:%S")


class Allowance:
    """How many lines may still be logged: `burst` at once, one more every `every` seconds."""

    def __init__(self, burst: int = 20, every: float = 20.0):
        self._burst = burst
        self._every = every
        self._left = float(burst)
        self._counted_at = time.monotonic()

    def take(self) -> bool:
        """Return whether one more line is allowed, and count it."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._counted_at) / self._every)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Condition:
    """Something that is well or in trouble: each change is logged once, within the allowance.

    A change that could not be logged is logged later, if it still holds when it is reported again. At first
    its state is not known, so that either report is a change, unless it is `taken_as_well`.
    """

    def __init__(self, allowance: Allowance, taken_as_well: bool = False):
        self._allowance = allowance
        self._logged_trouble = False if taken_as_well else None
        self._trouble_since: float | None = None

    def trouble(self, text: str) -> None:
        """Report that it is in trouble."""
        if self._trouble_since is None:
            self._trouble_since = time.monotonic()
        if self._logged_trouble is not True and self._allowance.take():
            self._logged_trouble = True
            log.warning(text)

    def well(self, text: str) -> None:
        """Report that it is well."""
        since, self._trouble_since = self._trouble_since, None
        if self._logged_trouble is not False and self._allowance.take():
            self._logged_trouble = False
            log.info(text if since is None else f"{text} after {time.monotonic() - since:.0f} s")
