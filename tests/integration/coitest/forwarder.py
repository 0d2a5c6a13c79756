"""A TCP forwarder whose connections can go dead, as behind a firewall that has
forgotten them: nothing is closed, and nothing comes through any more."""

import contextlib
import socket
import threading


class Forwarder:
    def __init__(self, port):
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._live = threading.Event()
        self._live.set()
        self._sockets = []
        self._threads = []
        self._start(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in (self._listening, *self._sockets):
            # wakes who reads there
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in (self._listening, *self._sockets):
            sock.close()

    def freeze(self):
        """Whoever is connected now gets no answer from now on."""
        self._live.clear()
        self._live = threading.Event()
        self._live.set()

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                service = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += client, service
                self._start(self._pump, client, service, self._live)
                self._start(self._pump, service, client, self._live)

    @staticmethod
    def _pump(source, target, live):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if live.is_set():
                    target.sendall(data)
            if live.is_set():
                target.shutdown(socket.SHUT_WR)
