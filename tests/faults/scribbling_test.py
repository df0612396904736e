"""A worker that writes nonsense over all that it can write harms its own client at most."""

import unittest
from contextlib import ExitStack, closing

from every_model import under
from faults import Hostile, Scraper, connect
from harness import wait_until


def echoed(server, word):
    try:
        with closing(connect(server, timeout=5)) as client:
            client.sendall(word)
            return client.recv(100)
    except ConnectionError:
        return b""


class Scribbling(unittest.TestCase):
    @under("prefork", "prefork-accept", "prefork-lock", "prefork-reuseport", "prethread", "prethread-accept", "thread",
           "iterative", "fork")
    def test_no_number_on_metrics_becomes_absurd_or_goes_back(self, model):
        with Hostile("scribbles", f"model={model}") as server, ExitStack() as stack:
            scraper = Scraper(server, stack, lawful=False)
            for _ in range(10):
                self.assertEqual(echoed(server, b"a"), b"a")
                scraper.scrape()
            with closing(connect(server)) as scribbler:  # It stays in its handler, so that its row does, too.
                for _ in range(3):
                    try:
                        scribbler.sendall(b"x")
                        scribbler.recv(1)
                    except ConnectionError:
                        break
                    for _ in range(30):
                        scraper.scrape()
            for _ in range(10):
                wait_until(lambda: echoed(server, b"a") == b"a", "an answer by whoever comes after it")
                scraper.scrape()
            if scraper.broken:
                self.fail(f"{len(scraper.broken)} complaints in {scraper.scrapes} scrapes, first: {scraper.broken[0]}")


if __name__ == "__main__":
    unittest.main()
