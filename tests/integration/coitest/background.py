"""Coroutines in a thread of their own: for servers that are there while a test
waits for something else."""

import asyncio
import threading

from .wait import BOUND


class Background:
    """Once it is closed, nothing of it is left."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.tasks = set()
        self.failures = []
        self.thread.start()

    def run(self, coroutine):
        """Its result, from another thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(BOUND)

    def spawn(self, coroutine):
        """Lets it run, from the loop's thread. What it raises, close() raises."""
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.failures.append(task.exception())

    async def _cancel(self):
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.loop.shutdown_asyncgens()

    def close(self):
        try:
            self.run(self._cancel())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(BOUND)
            self.loop.close()
        if self.failures:
            raise self.failures[0]
