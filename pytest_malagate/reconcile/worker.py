"""One daemon thread that does something again and again until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """Calls `work` at once and then after each period. `work` must not raise."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._lock = threading.Lock()  # over the two below
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def is_stopping(self) -> bool:
        """True from the call of `stop` to the next `start`."""
        return self._stopping.is_set()

    def start(self, period: float) -> None:
        """Starts the thread, if none runs. `period` is in seconds."""
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            if running and not self._stopping.is_set():
                return
            self._stopping = threading.Event()  # a thread that was not awaited keeps its own
            self._thread = threading.Thread(
                target=self._run,
                args=(period, self._stopping),
                name="malagate-reconciler",
                daemon=True,
            )
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it, unless it is the one that calls."""
        with self._lock:
            thread = self._thread
            self._stopping.set()
            if thread is threading.current_thread():
                self._thread = None
                return
        if thread is not None:
            thread.join()

    def _run(self, period: float, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self._work()
            stopping.wait(period)
