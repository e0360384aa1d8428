"""The one kind of thread we start."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence

from softsplit.errors import SoftsplitError

log = logging.getLogger("softsplit")

STOP_TIME = 1.5  # s all threads have to end
WATCH = 0.5  # s between looks at the threads
SIGNALS = {signal.SIGINT, signal.SIGTERM}


class Worker:
    """A thread that repeats `step()` until it is stopped. What `step()` lets through is a bug and ends it.

    Subclasses override `step()`, `close()`, which runs in the thread at its end, and `wake()`, which gets
    `step()` out of its pause. `beat` is the monotonic time of the latest step.
    """

    def __init__(self, name: str):
        self.name = name
        self.beat = time.monotonic()
        self.error: Exception | None = None
        self.stopping = threading.Event()
        self._worker_thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:  # main thread
        self._worker_thread.start()

    def stop(self) -> None:  # any thread
        """Ask the thread to end; `join()` waits for it."""
        self.stopping.set()
        self.wake()

    def join(self, timeout: float) -> bool:  # main thread
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


def start_all(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.start()


def stop_all(workers: Sequence[Worker]) -> None:
    """End all threads, within two seconds."""
    for worker in workers:
        worker.stop()
    deadline = time.monotonic() + STOP_TIME
    for worker in workers:
        if not worker.join(max(0.0, deadline - time.monotonic())):
            log.warning("%s did not end in time", worker.name)


def run_until_signal(build: Callable[[], Sequence[Worker]]) -> None:
    """Run the threads that `build` returns, until SIGINT or SIGTERM. For the main thread.

    Raises what `build` raises, and SoftsplitError when a thread fails.
    """
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # inherited by every thread; waited for below
    try:
        workers = build()
        try:
            start_all(workers)
            while signal.sigtimedwait(SIGNALS, WATCH) is None:
                for worker in workers:
                    if worker.join(0):
                        raise SoftsplitError(f"{worker.name} has failed; please report the traceback above")
        finally:
            stop_all(workers)
        log.info("stopped")
    finally:
        while signal.sigtimedwait(SIGNALS, 0):  # who asks twice has been heard once
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def set_up_logging() -> None:
    """Log to stderr, unless the program has made up its mind already."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s",
                        datefmt="%Y-%m-%d %H:%M:%S")
