"""`bullpen load udp://HOST:PORT` over networks that delay, reorder, double and lose datagrams (UNP 22.5)."""

import json
import os
import struct
import subprocess
import unittest

from harness import TOP, Bullpen
from lossy_network import LossyNetwork

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
PATIENCE = 60


def load(network, *arguments):
    """(exit status, its JSON)."""
    done = subprocess.run([PROGRAM, "load", network.address, *arguments, "--json", "-"], text=True, capture_output=True,
                          timeout=PATIENCE, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


class LossyNetworks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Bullpen("echo", "--listen", "udp:127.0.0.1:0"))

    def network(self, **what_it_does):
        return self.enterContext(LossyNetwork(self.server.port, **what_it_does))

    def test_a_doubled_or_late_answer_is_not_taken_for_another_question_s(self):
        network = self.network(twice=0.4, delay=(0.01, 0.03))
        status, told = load(network, "--requests", "120", "--concurrency", "4")
        self.assertEqual((status, told["requests"], told["failed"], told["strays"]), (0, 120, 0, 0))
        self.assertGreater(network.reordered, 30)
        self.assertGreater(told["duplicates"], 30)
        # No question is answered before a datagram has gone there and back.
        self.assertGreaterEqual(told["duration_s"], 120 / 4 * 0.02)
        self.assertGreaterEqual(told["latency_us"]["p50"], 20_000)
        self.assertLess(told["loss"], 0.05)  # The network loses nothing.

    def test_the_round_trip_of_a_question_that_was_sent_again_is_that_of_the_transmission_that_was_answered(self):
        network = self.network(delay=(0.2, 0.2))
        status, told = load(network, "--requests", "12", "--concurrency", "4")
        self.assertEqual((status, told["requests"], told["failed"]), (0, 12, 0))
        self.assertGreaterEqual(told["round_trip_us"], 400_000)  # Since the second transmission it was 150 ms.
        self.assertGreaterEqual(told["latency_us"]["p50"], 400_000)

    def test_a_delay_above_the_first_time_out_makes_no_storm(self):
        network = self.network(delay=(0.2, 0.2))
        status, told = load(network, "--requests", "12", "--concurrency", "4")
        self.assertEqual((status, told["requests"]), (0, 12))
        # Each client's first question twice, or thrice on a slow machine; the next is asked by one that knows better.
        self.assertGreaterEqual(told["retransmissions"], 4)
        self.assertLessEqual(told["retransmissions"], 8)
        self.assertEqual(told["sent"], len(network.questions))
        self.assertEqual((told["loss"], told["duplicates"]), (0, 0))  # Late is not lost, nor answered twice.

    def test_what_is_still_on_its_way_when_all_questions_are_answered_is_not_lost(self):
        network = self.network(delay=(0.2, 0.2))
        status, told = load(network, "--requests", "4", "--concurrency", "4")
        self.assertEqual((status, told["requests"]), (0, 4))
        self.assertGreaterEqual(told["retransmissions"], 4)  # Answered after the end.
        self.assertEqual((told["answers"], told["loss"]), (told["sent"], 0))

    def test_who_gave_up_too_soon_learns_from_late_answers_for_how_long_to_wait(self):
        network = self.network(delay=(0.2, 0.2))
        status, told = load(network, "--requests", "6", "--concurrency", "1", "--attempts", "1")
        self.assertEqual((status, told["requests"] + told["failed"], told["retransmissions"]), (1, 6, 0))
        self.assertGreaterEqual(told["failed"], 1)  # 250 ms were too short,
        self.assertLessEqual(told["failed"], 3)  # until the first answer came.

    def test_without_answers_each_time_out_is_twice_the_one_before(self):
        before, attempts = 30, 6
        network = self.network(swallows=lambda number: number > before)
        status, told = load(network, "--requests", str(before + 1), "--concurrency", "1", "--attempts", str(attempts))
        self.assertEqual(status, 1)
        self.assertGreaterEqual(told["failed"], 1)  # Two, if on a slow machine one of the others was sent again.
        in_vain = [struct.unpack("=QQ", identity) for client, identity in network.questions[-attempts:]]
        numbers, sent_ns = zip(*in_vain)
        self.assertEqual(sorted(set(numbers)), list(numbers))  # Each transmission has a number of its own.
        waits = [later - sooner for sooner, later in zip(sent_ns, sent_ns[1:])]
        for attempt, wait in enumerate(waits):
            self.assertGreaterEqual(wait, 10_000_000 << attempt)  # 10 ms is the least.
        self.assertAlmostEqual(waits[-1] / waits[-2], 2, delta=0.5)

    def test_the_loss_that_is_reported_is_the_network_s(self):
        for seed, loss, questions in ((1, 0.01, 1000), (2, 0.1, 1000), (3, 0.16, 400)):  # Each way.
            with self.subTest(loss=loss):
                network = self.network(seed=seed, loss=loss, twice=0.2, delay=(0, 0.003))
                status, told = load(network, "--requests", str(questions), "--concurrency", "8", "--attempts", "20")
                self.assertEqual((status, told["requests"], told["failed"], told["strays"]), (0, questions, 0, 0))
                self.assertEqual(told["sent"], questions + told["retransmissions"])
                self.assertEqual(told["sent"], len(network.questions))
                self.assertGreater(network.dropped, 5)
                self.assertGreater(told["duplicates"], 50)
                self.assertAlmostEqual(told["loss"], network.loss_seen, delta=0.02)
                self.assertGreater(told["loss"], loss)


if __name__ == "__main__":
    unittest.main()
