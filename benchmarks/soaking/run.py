"""Who calls, for how long, and whether everything came back."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from aiguard import BoundaryError, Interrupted
from benchmarks.soaking.boundaries import declare, faults
from benchmarks.soaking.measures import Sample, open_files, resident, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS: Final = 64
THREADS: Final = 16


class Tally:
    """What became of all calls."""

    def __init__(self) -> None:
        self.endings: Counter[str] = Counter()
        self.surprises: Counter[str] = Counter()
        self.latest = 0.0
        self._lock = threading.Lock()

    def note(self, name: str, ending: str, took: float) -> None:
        """Count one call."""
        with self._lock:
            self.endings[f"{name}: {ending}"] += 1
            self.latest = max(self.latest, took)

    def surprise(self, name: str, error: BaseException) -> None:
        """Count what must not happen."""
        with self._lock:
            self.surprises[f"{name}: {error!r}"] += 1

    @property
    def calls(self) -> int:
        """How many calls have ended."""
        return sum(self.endings.values())


class Soak:
    """
    One run.

    Args:
        seconds: How long it takes, without the end.
        seed: Of the callers' choices and of the faults.
    """

    def __init__(self, seconds: float, seed: int) -> None:
        self.seconds = seconds
        self.seed = seed
        self.tally = Tally()
        self.over = threading.Event()
        self.guarded = declare()
        self.samples: list[Sample] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        """Run it all."""
        threads = [
            threading.Thread(target=self._thread, args=(number,), name=f"soak-{number}") for number in range(THREADS)
        ]
        met = faults(list(self.guarded), self.seed)
        with contextlib.ExitStack() as stack:
            for fault in met:
                stack.enter_context(fault)
            for thread in threads:
                thread.start()
            asyncio.run(self._tasks())
            for thread in threads:
                thread.join(30.0)
                if thread.is_alive():
                    self.wrong.append(f"{thread.name} never came back")
        self.hits = sum(fault.hits for fault in met)
        self.attempts = met[0].calls

    async def _tasks(self) -> None:
        began = time.monotonic()
        tasks = [asyncio.create_task(self._task(number)) for number in range(TASKS)]
        every = min(1.0, self.seconds / 60)
        while (elapsed := time.monotonic() - began) < self.seconds:
            self.samples.append(self._sample(elapsed))
            await asyncio.sleep(every)
        self.over.set()
        done, rest = await asyncio.wait(tasks, timeout=30.0)
        self.wrong += [f"a task never came back: {task!r}" for task in rest]
        self.wrong += [f"a task ended with {error!r}" for task in done if (error := task.exception()) is not None]
        await asyncio.sleep(1.0)  # losers of a hedge and closing streams give way by themselves
        left = len(asyncio.all_tasks()) - 1
        if left:
            self.wrong.append(f"{left} tasks are left on the loop")

    async def _task(self, number: int) -> None:
        chance = random.Random(f"{self.seed} task {number}")
        while not self.over.is_set():
            name = chance.choice(("chat", "chat", "chat", "stream", "elements"))
            call = self._chat(chance) if name == "chat" else self._drain(name, chance)
            task = asyncio.create_task(call)
            if chance.random() < 0.1:
                asyncio.get_running_loop().call_later(chance.random() * 0.1, task.cancel)
            began = time.monotonic()
            try:
                ending = await task
            except BoundaryError as error:
                ending = error.failure.kind.value
            except asyncio.CancelledError:
                ending = "cancelled"
            except Exception as error:  # noqa: BLE001 - nothing else may leave a boundary
                self.tally.surprise(name, error)
                ending = "surprise"
            self.tally.note(name, ending, time.monotonic() - began)
            await asyncio.sleep(chance.random() * 0.02)

    async def _chat(self, chance: random.Random) -> str:
        guarded = self.guarded["chat"]
        if chance.random() < 0.3:
            priority = chance.choice(("critical", "normal", "sheddable"))
            guarded = guarded.options(priority=priority, deadline=chance.choice((0.1, 0.3, None)))
        outcome = await guarded.outcome(chance.randrange(1000))
        if outcome.ok and type(outcome.value) is not int:
            self.tally.surprise("chat", TypeError(f"{outcome.value!r}"))
        return outcome.rung or ("ok" if outcome.ok else outcome.failure.kind.value)

    async def _drain(self, name: str, chance: random.Random) -> str:
        items = self.guarded[name](chance.randrange(1000))
        enough = chance.choice((1, 2, 100, 100, 100))
        ending = "ok"
        async for item in items:
            enough -= 1
            ending = "broke, went on" if isinstance(item, Interrupted) else ending
            if not enough:
                if chance.random() < 0.5:
                    await items.aclose()
                return "closed" if ending == "ok" else ending
        return ending

    def _thread(self, number: int) -> None:
        chance = random.Random(f"{self.seed} thread {number}")
        while not self.over.is_set():
            name = chance.choice(("embed", "embed", "lines"))
            began = time.monotonic()
            try:
                if name == "embed":
                    outcome = self.guarded[name].outcome(chance.randrange(1000))
                    ending = outcome.rung or ("ok" if outcome.ok else outcome.failure.kind.value)
                else:
                    ending = "ok"
                    for _ in self.guarded[name](chance.randrange(1000)):
                        if chance.random() < 0.1:
                            ending = "dropped"
                            break
            except BoundaryError as error:
                ending = error.failure.kind.value
            except Exception as error:  # noqa: BLE001 - nothing else may leave a boundary
                self.tally.surprise(name, error)
                ending = "surprise"
            self.tally.note(name, ending, time.monotonic() - began)
            time.sleep(chance.random() * 0.01)

    # --- what is measured

    def _sample(self, elapsed: float) -> Sample:
        return Sample(
            elapsed,
            resident(),
            sum(self._of(lambda boundary: boundary.bulkhead.in_flight)),
            sum(self._of(lambda boundary: boundary.bulkhead.queued)),
            len(asyncio.all_tasks()),
            threading.active_count(),
            sum(self._of(lambda boundary: boundary.abandoned)),
            open_files(),
            self.tally.calls,
        )

    def _of(self, what: Callable[[Any], int]) -> list[int]:
        return [what(guarded.boundary) for guarded in self.guarded.values()]

    # --- the end

    def settle(self, threads: int, files: int) -> None:
        """Look whether everything came back, and whether every boundary answers again."""
        self._answers_again()
        wait_for(lambda: threading.active_count() <= threads, 15.0)  # an idle worker ends after ten seconds
        gc.collect()
        for name, guarded in self.guarded.items():
            permits = guarded.boundary.bulkhead
            if (permits.in_flight, permits.queued) != (0, 0):
                self.wrong.append(f"{name}: {permits.in_flight} permits are out, {permits.queued} wait")
            if guarded.boundary.abandoned:
                self.wrong.append(f"{name}: {guarded.boundary.abandoned} threads are left behind")
        if threading.active_count() > threads:
            names = sorted(thread.name for thread in threading.enumerate())
            self.wrong.append(f"{threading.active_count() - threads} threads are left: {names}")
        if open_files() > files:
            self.wrong.append(f"{open_files() - files} files are left open")
        self.wrong += [f"{count} × {what}" for what, count in self.tally.surprises.most_common()]

    def _answers_again(self) -> None:
        """Without faults every boundary must be in good health again after a while."""

        async def once(name: str) -> bool:
            guarded = self.guarded[name]
            if name == "chat":
                outcome = await guarded.outcome(1)
                return bool(outcome.source == "component")
            if name in {"stream", "elements"}:
                items = [item async for item in guarded(1)]
                return items[:1] not in (["the"], [])
            if name == "embed":
                return bool(guarded.outcome(1).source == "component")
            return bool(list(guarded(1)) != ["nothing"])

        def healthy(name: str) -> bool:
            try:
                return all(asyncio.run(once(name)) for _ in range(5))
            except BoundaryError:
                return False

        for name in self.guarded:
            if not wait_for(lambda name=name: healthy(name), 20.0):  # type: ignore[misc]
                self.wrong.append(f"{name}: does not answer again")
