"""A network between a client and a server of UDP that loses, doubles, delays and reorders datagrams."""

import heapq
import random
import selectors
import socket
import threading
import time

IDENTITY = 16  # The bytes that tell one transmission of `bullpen load udp://` from every other: its number and time.
PATIENCE = 30


class LossyNetwork:
    """A relay to 127.0.0.1:port, for clients that send to `address`. What befalls a datagram is drawn from a generator with
    a seed, in either direction, and for each copy by itself; `swallows(number of the question)` drops questions beside that."""

    def __init__(self, port, *, seed=1, loss=0.0, twice=0.0, delay=(0.0, 0.0), swallows=lambda number: False):
        self.port, self.loss, self.twice, self.delay, self.swallows = port, loss, twice, delay, swallows
        self.random = random.Random(seed)
        self.questions = []  # (the client's address, identity), as the client sent them.
        self.answered = set()  # Of these: to which the client was sent an answer.
        self.dropped = self.doubled = self.reordered = 0
        self._ways = {}  # The socket towards the server by the client's address: the server tells clients apart.
        self._due = []  # A heap of (when, number, socket, to whom, datagram).
        self._numbers = 0
        self._latest_sent = 0
        self._failure = None

    @property
    def address(self):
        return f"udp://127.0.0.1:{self._front.getsockname()[1]}"

    @property
    def loss_seen(self):
        """The part of the client's transmissions that got no answer."""
        return 1 - len(self.answered) / len(set(self.questions))

    def __enter__(self):
        self._front = self._socket()
        self._front.bind(("127.0.0.1", 0))
        self._stop, self._stopped = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._front, selectors.EVENT_READ, self._take_question)
        self._selector.register(self._stopped, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.close()
        self._thread.join(PATIENCE)
        for one in (self._front, self._stopped, *self._ways.values()):
            one.close()
        self._selector.close()
        if self._failure:
            raise self._failure

    @staticmethod
    def _socket():
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)  # It loses what it is told to lose, and no more.
        return one

    def _run(self):
        try:
            while True:
                wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
                for key, _ in self._selector.select(wait):
                    if key.data is None:
                        return
                    self._take_all(key.fileobj, key.data)
                while self._due and self._due[0][0] <= time.monotonic():
                    self._send(*heapq.heappop(self._due)[1:])
        except OSError as failure:
            self._failure = failure

    @staticmethod
    def _take_all(one, take):
        while True:
            try:
                datagram, sender = one.recvfrom(70000)
            except BlockingIOError:
                return
            take(datagram, sender)

    def _take_question(self, datagram, client):
        self.questions.append((client, datagram[:IDENTITY]))
        if client not in self._ways:
            way = self._ways[client] = self._socket()
            way.connect(("127.0.0.1", self.port))
            self._selector.register(way, selectors.EVENT_READ, lambda answer, _: self._pass_on(answer, self._front, client))
        if self.swallows(len(self.questions)):
            self.dropped += 1
        else:
            self._pass_on(datagram, self._ways[client], None)

    def _pass_on(self, datagram, through, to):
        if self.random.random() < self.loss:
            self.dropped += 1
            return
        copies = 2 if self.random.random() < self.twice else 1
        self.doubled += copies - 1
        for _ in range(copies):
            self._numbers += 1
            due = time.monotonic() + self.random.uniform(*self.delay)
            heapq.heappush(self._due, (due, self._numbers, through, to, datagram))

    def _send(self, number, through, to, datagram):
        self.reordered += number < self._latest_sent
        self._latest_sent = max(number, self._latest_sent)
        try:
            if to is None:
                through.send(datagram)
                return
            through.sendto(datagram, to)
            self.answered.add((to, datagram[:IDENTITY]))
        except (BlockingIOError, ConnectionRefusedError):
            self.dropped += 1
