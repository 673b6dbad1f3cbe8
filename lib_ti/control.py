"""What the world tells a run: stop, pause, save now, preview now. Thread-safe; a run asks between updates."""

import threading


class Control:
    def __init__(self) -> None:
        self._stop = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._save = threading.Event()
        self._preview = threading.Event()

    def stop(self) -> None:
        """End the run after the update in progress; it saves before it ends. Wakes a paused run."""
        self._stop.set()
        self._running.set()

    def pause(self) -> None:
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def save_now(self) -> None:
        self._save.set()

    def preview_now(self) -> None:
        self._preview.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    def wait_while_paused(self, timeout: float | None = None) -> bool:
        """Block while paused; True when the run may go on, False when `timeout` seconds passed first."""
        return self._running.wait(timeout)

    def take_save(self) -> bool:
        """True once after each `save_now`."""
        return _take(self._save)

    def take_preview(self) -> bool:
        """True once after each `preview_now`."""
        return _take(self._preview)


def _take(flag: threading.Event) -> bool:
    asked = flag.is_set()
    flag.clear()
    return asked
