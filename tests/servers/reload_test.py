"""A reload, by SIGHUP or `bullpen ctl reload`: the new configuration is in effect, or nothing has changed."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import TOP, Bullpen, echo, fewest_descriptors, free_port, title, wait_until

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))


class Reloading(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.home = Path(holder.name)
        self.config = self.home / "bullpen.toml"
        for name in ("old", "new"):
            (self.home / name).mkdir()
            (self.home / name / "file.txt").write_text(name)

    def write(self, *pools, master=""):
        """Each pool is its name and its lines."""
        self.config.write_text(f"[master]\n{master}\n" + "\n".join(f"[pool.{name}]\n{text}\n" for name, text in pools))

    def web(self, root="old", more="workers = 2", listen="127.0.0.1:0"):
        return "web", f'listen = "{listen}"\nroot = "{self.home}/{root}"\n{more}'

    def start(self, *flags):
        return Bullpen("--config", str(self.config), *flags)

    def reload(self, server):
        status, out, err = server.ctl("reload")
        self.assertEqual((status, out, err), (0, "the new configuration is in effect\n", ""))

    def body(self, server, path="/file.txt"):
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        client.request("GET", path, headers={"Connection": "close"})
        answer = client.getresponse().read().decode()
        client.close()
        return answer

    def all_ready(self, server, count):
        wait_until(lambda: server.total("bullpen_workers", state="idle") == count, f"{count} idle workers")


class Changes(Reloading):
    def test_what_has_not_changed_replaces_no_worker(self):
        self.write(self.web())
        with self.start() as server:
            self.all_ready(server, 2)
            workers = sorted(server.workers())
            self.reload(server)
            self.assertEqual(sorted(server.workers()), workers)

    def test_limits_change_in_place(self):
        self.write(self.web(more="spare_min = 1\nspare_max = 3\nworkers_start = 1\nworkers_max = 8"))
        with self.start() as server:
            self.all_ready(server, 1)
            workers = server.workers()
            self.write(self.web(more="spare_min = 3\nspare_max = 5\nworkers_start = 1\nworkers_max = 6"))
            self.reload(server)
            self.all_ready(server, 3)
            self.assertTrue(set(workers) <= set(server.workers()))
            for name, value in (("workers_max", 6), ("spare_min", 3), ("spare_max", 5)):
                self.assertEqual(server.total(f"bullpen_{name}"), value)

    def test_a_pool_of_fixed_size_shrinks_and_grows_to_its_first_size(self):
        self.write(self.web(more="workers = 3"))
        with self.start() as server:
            self.all_ready(server, 3)
            for workers in (1, 3):
                self.write(self.web(more=f"workers = {workers}"))
                self.reload(server)
                self.all_ready(server, workers)

    def test_workers_are_replaced_where_what_they_were_started_with_has_changed(self):
        for model in ("prefork", "prefork-event", "prefork-accept", "prefork-reuseport", "iterative"):
            lines = f'model = "{model}"' + ("" if model == "iterative" else "\nworkers = 3")
            self.write(self.web(more=lines), ("other", 'listen = "127.0.0.1:0"\nservice = "echo"\nworkers = 1'))
            with self.subTest(model=model), self.start() as server:
                pool = lambda name: {pid for pid in server.workers()
                                     if f"[{name}/" in title(pid)}
                count = 1 if model == "iterative" else 3
                wait_until(lambda: server.total("bullpen_workers", state="idle") == count + 1, "the workers")
                web = [i for i, line in enumerate(server.addresses) if f"http://{line}/" in server.output]
                port = int(server.addresses[web[0]].rpartition(":")[2])
                fetch = lambda: subprocess.run(["curl", "-sS", f"http://127.0.0.1:{port}/file.txt"], text=True,
                                               capture_output=True, check=True, timeout=60).stdout
                self.assertEqual(fetch(), "old")
                before, others = pool("web"), pool("other")
                self.write(self.web("new", more=lines),
                           ("other", 'listen = "127.0.0.1:0"\nservice = "echo"\nworkers = 1'))
                self.reload(server)
                wait_until(lambda: not pool("web") & before, "the old workers to leave")
                self.assertEqual(fetch(), "new")
                self.assertEqual(pool("other"), others)
                self.assertEqual(server.total("bullpen_connections_lost_total"), 0)

    def test_a_busy_worker_finishes_what_it_has_begun(self):
        self.write(("web", 'listen = "127.0.0.1:0"\nservice = "work"\nworkers = 1'))
        with self.start() as server:
            self.all_ready(server, 1)
            slow = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            slow.request("GET", "/sleep/1500")
            wait_until(lambda: server.total("bullpen_workers", state="busy") == 1, "the busy worker")
            self.write(("web", 'listen = "127.0.0.1:0"\nservice = "work"\nworkers = 1\nidle_timeout = 9'))
            self.reload(server)
            self.assertEqual(len(self.body(server, "/bytes/5")), 5)
            self.assertEqual(slow.getresponse().status, 200)
            slow.close()

    def test_a_kept_connection_outlives_the_workers(self):
        self.write(self.web())
        with self.start() as server:
            kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            for root in ("old", "new", "old"):
                self.write(self.web(root))
                self.reload(server)
                kept.request("GET", "/file.txt")
                answer = kept.getresponse()
                self.assertEqual((answer.status, answer.read().decode()), (200, root))
            kept.close()
            self.assertEqual(server.total("bullpen_connections_accepted_total"), 1)

    def test_a_directory_put_in_the_place_of_another_is_served(self):
        (self.home / "current").symlink_to("old")
        self.write(self.web("current"))
        with self.start() as server:
            self.assertEqual(self.body(server), "old")
            (self.home / "next").symlink_to("new")
            (self.home / "next").rename(self.home / "current")
            self.reload(server)
            self.assertEqual(self.body(server), "new")

    def test_listeners_are_added_and_removed(self):
        first, second = free_port(), free_port()
        path = self.home / "socket"
        self.write(self.web(listen=f"127.0.0.1:{first}"))
        with self.start() as server:
            self.assertEqual(self.body(server), "old")
            lines = f'listen = ["127.0.0.1:{second}", "unix:{path}"]\nroot = "{self.home}/old"\nworkers = 2'
            self.write(("web", lines))
            kept = http.client.HTTPConnection("127.0.0.1", first, timeout=30)
            kept.request("GET", "/file.txt")
            kept.getresponse().read()
            self.reload(server)
            client = http.client.HTTPConnection("127.0.0.1", second, timeout=30)
            client.request("GET", "/file.txt")
            self.assertEqual(client.getresponse().read(), b"old")
            client.close()
            self.assertTrue(path.is_socket())
            kept.request("GET", "/file.txt")  # Of a listener that is no more.
            self.assertEqual(kept.getresponse().read(), b"old")
            kept.close()

            def is_free():
                with socket.socket() as taken:
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        taken.bind(("127.0.0.1", first))
                        taken.listen()
                        return True
                    except OSError:
                        return False

            wait_until(is_free, "the removed listener to be closed")
            listeners = {dict(labels)["listener"] for name, labels in server.metrics()
                         if name == "bullpen_listen_queue_limit"}
            self.assertEqual(listeners, {f"127.0.0.1:{second}", f"unix:{path}"})
            self.write(self.web(listen=f"127.0.0.1:{first}"))
            self.reload(server)
            self.assertEqual(self.body(server), "old")
            self.assertFalse(path.exists())

    def test_a_listener_goes_from_one_pool_to_another_and_no_client_in_its_backlog_is_lost(self):
        port = free_port()
        path = self.home / "socket"
        pool = lambda name: (name, f'listen = ["127.0.0.1:{port}", "unix:{path}"]\nservice = "echo"\nworkers = 1')
        self.write(pool("a"))
        with self.start() as server:
            for name in ("b", "a", "c"):
                with socket.create_connection(("127.0.0.1", port), 30) as begun:
                    begun.sendall(b"x")
                    self.assertEqual(begun.recv(1), b"x")
                    self.write(pool(name))
                    self.reload(server)
                    begun.sendall(b"y")  # Of the pool that leaves.
                    self.assertEqual(begun.recv(1), b"y")
                    self.assertEqual(echo(("127.0.0.1", port)), b"hello")
                    self.assertTrue(path.is_socket())
                    self.assertEqual(echo(str(path)), b"hello")
            # One configuration that can't be put into effect leaves the listeners, and the file, where they are.
            self.write(pool("d"), ("e", f'listen = "127.0.0.1:0"\nservice = "echo"\nworkers_max = 10000'))
            status, _, err = server.ctl("reload")
            self.assertEqual(status, 1)
            self.assertIn("too many workers", err)
            self.assertTrue(path.is_socket())
            self.assertEqual(echo(str(path)), b"hello")

    def test_a_unix_socket_that_comes_back_is_not_removed_with_the_one_before(self):
        path = self.home / "socket"
        other = ("other", f'listen = "unix:{path}"\nservice = "echo"\nworkers = 1')
        self.write(self.web())
        with self.start() as server:
            for _ in range(8):
                for pools in ((self.web(), other), (self.web(),)):
                    self.write(*pools)
                    self.reload(server)
                    with suppress(ProcessLookupError):
                        os.kill(server.master, signal.SIGKILL)
                    self.assertEqual(self.body(server), "old")
                    if len(pools) == 2:
                        self.assertEqual(echo(str(path)), b"hello")

    def test_workers_max_can_be_doubled(self):
        self.write(self.web(more="workers = 2"))
        with self.start() as server:
            self.all_ready(server, 2)
            self.write(self.web(more="workers = 4"))
            self.reload(server)
            self.all_ready(server, 4)
            server.terminate(signal.SIGTTOU)
            self.all_ready(server, 3)
            self.reload(server)  # What the file says is in effect again.
            self.all_ready(server, 4)

    def test_many_reloads_leave_no_descriptor_behind(self):
        path = self.home / "socket"
        configurations = [
            (self.web("old"),),
            (self.web("new"), ("b", f'listen = ["127.0.0.1:0", "unix:{path}"]\nservice = "echo"\nworkers = 1')),
            (self.web("new", listen=f"unix:{path}"),),
            (("c", f'listen = "unix:{path}"\nroot = "{self.home}/old"\nworkers = 2'),),
        ]
        self.write(*configurations[0])
        with self.start() as server:
            counts = []
            for _ in range(4):
                for pools in configurations[1:] + configurations[:1]:
                    self.write(*pools)
                    self.reload(server)
                wait_until(lambda: "leaving" not in server.ctl("status")[1], "the end of what was removed")
                self.reload(server)
                counts.append(len(fewest_descriptors(server.pid)))
            self.assertEqual(counts[1:], [counts[1]] * 3)

    def test_pools_are_added_and_removed_and_the_metrics_follow(self):
        port = free_port()
        other = ("other", f'listen = "127.0.0.1:{port}"\nservice = "echo"\nworkers = 1')
        self.write(self.web())
        with self.start() as server:
            pools = lambda: {dict(labels)["pool"] for name, labels in server.metrics() if name == "bullpen_workers"}
            for _ in range(2):
                self.write(self.web(), other)
                self.reload(server)
                self.assertEqual(echo(("127.0.0.1", port)), b"hello")
                wait_until(lambda: pools() == {"web", "other"}, "both pools")
                with socket.create_connection(("127.0.0.1", port), 30) as begun:
                    begun.sendall(b"x")
                    self.assertEqual(begun.recv(1), b"x")
                    self.write(self.web())
                    self.reload(server)
                    wait_until(lambda: pools() == {"web"}, "one pool")
                    begun.sendall(b"y")
                    self.assertEqual(begun.recv(1), b"y")
                wait_until(lambda: "other" not in server.ctl("status")[1], "the removed pool's end")
            self.assertEqual(self.body(server), "old")


class Refusals(Reloading):
    def check(self, server, status, expected):
        """Nothing has changed, and everybody is told why."""
        workers = sorted(server.workers())
        got, out, err = server.ctl("reload")
        self.assertEqual((got, out), (status, ""), err)
        self.assertRegex(err, r"\Abullpen: reload: [^\n]+; nothing was changed\n\Z")
        self.assertIn(expected, err)
        self.assertIn(expected, server.stderr)
        self.assertEqual(sorted(server.workers()), workers)
        self.assertEqual(self.body(server), "old")
        self.assertEqual(server.total("bullpen_config_last_reload_successful"), 0)

    def test_a_bad_configuration_changes_nothing_and_says_why(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.write(self.web())
            with self.start() as server:
                self.all_ready(server, 2)
                began = server.total("bullpen_config_last_reload_timestamp_seconds")
                self.assertEqual(server.total("bullpen_config_last_reload_successful"), 1)
                self.assertLess(abs(time.time() - began), 3600)
                new = lambda **changes: self.write(self.web("new", **changes))
                for prepare, status, expected in [
                    (lambda: self.config.write_text("[pool.web\n"), 2, "bullpen.toml:1"),
                    (lambda: self.config.write_text(""), 2, "no pool in it"),
                    (lambda: new(more="wrokers = 3"), 2, "wrokers"),
                    (lambda: new(more="spare_min = 9"), 2, "spare_min (9) is above"),
                    (lambda: new(more='model = "event"'), 2, "can't change model (prefork)"),
                    (lambda: new(more="workers = 2\nthreads = 2"), 2, "can't change threads (1)"),
                    (lambda: new(more="workers = 5"), 2, "can't change workers_max to more than 4"),
                    (lambda: new(listen=f"127.0.0.1:{port}"), 1, f"127.0.0.1:{port}: Address already in use"),
                    (lambda: self.write(self.web("no/such")), 1, "no/such"),
                    (lambda: self.write(self.web("new"), master='metrics = "off"\nname = "x"'), 2, "name: a reload can't"),
                    (lambda: self.write(self.web("new"), ("b", f'listen = "127.0.0.1:{port}"')), 1, "already in use"),
                    (self.config.unlink, 2, "cannot be read"),
                ]:
                    with self.subTest(expected=expected):
                        prepare()
                        self.check(server, status, expected)
                self.assertEqual(server.total("bullpen_config_last_reload_timestamp_seconds"), began)
                self.write(self.web("new"))
                self.reload(server)
                self.assertEqual(server.total("bullpen_config_last_reload_successful"), 1)
                wait_until(lambda: self.body(server) == "new", "the new root")

    def test_a_file_that_cannot_be_read_to_its_end_holds_nobody_up(self):
        self.write(self.web())
        with self.start() as server:
            self.config.unlink()
            os.mkfifo(self.config)
            asking = subprocess.Popen([PROGRAM, "ctl", "--control", str(server.control), "reload"], text=True,
                                      stderr=subprocess.PIPE)
            wait_until(lambda: "reloading" in server.ctl("status")[1], "the reload")
            self.assertEqual(self.body(server), "old")
            self.assertIn("nobody wrote its end in time", asking.communicate(timeout=60)[1])
            self.assertEqual(asking.returncode, 2)
            self.assertEqual(self.body(server), "old")

    def test_a_stop_gives_a_reload_up(self):
        self.write(self.web())
        with self.start() as server:
            self.config.unlink()
            os.mkfifo(self.config)
            asking = subprocess.Popen([PROGRAM, "ctl", "--control", str(server.control), "reload"], text=True,
                                      stderr=subprocess.PIPE)
            wait_until(lambda: "reloading" in server.ctl("status")[1], "the reload")
            server.terminate()
            self.assertIn("because the server stops", asking.communicate(timeout=60)[1])
            self.assertEqual(asking.returncode, 1)
            self.assertEqual(server.wait(), 0)

    def test_two_reloads_at_once_are_one_after_the_other(self):
        self.write(self.web())
        with self.start() as server:
            self.write(self.web("new"))
            asking = [subprocess.Popen([PROGRAM, "ctl", "--control", str(server.control), "reload"],
                                       stdout=subprocess.PIPE) for _ in range(3)]
            for one in asking:
                self.assertIn(b"is in effect", one.communicate(timeout=60)[0])
                self.assertEqual(one.returncode, 0)
            wait_until(lambda: self.body(server) == "new", "the new root")


class UnderLoad(Reloading):
    LONG = bool(os.environ.get("BULLPEN_LONG"))
    SECONDS = 25 if LONG else 4
    KILLS = 200 if LONG else 25

    @contextmanager
    def reloading_all_the_time(self, server):
        ended = threading.Event()
        self.reloads = 0

        def reload():
            while not ended.wait(0.25):
                self.reloads += 1
                root = ("new", "old")[self.reloads % 2]
                self.write(self.web(root, more=f"workers = 4\nqueue_timeout = {1000 + self.reloads}",
                                    listen=f"127.0.0.1:{server.port}"))
                server.terminate(signal.SIGHUP)

        thread = threading.Thread(target=reload)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @contextmanager
    def clients(self, port):
        """Some that ask one question a connection and some that keep theirs. All answers are whole."""
        ended = threading.Event()
        wrong = []

        def ask(keeps):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            while not ended.is_set():
                try:
                    client.request("GET", "/file.txt")
                    answer = client.getresponse()
                    told = (answer.status, answer.read())
                    if told not in ((200, b"old"), (200, b"new")):
                        wrong.append(told)
                except OSError as error:
                    wrong.append(repr(error))
                if not keeps:
                    client.close()
            client.close()

        threads = [threading.Thread(target=ask, args=(i % 2 == 0,)) for i in range(6)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])

    def test_reloads_fail_no_request_with_keep_alive_or_without(self):
        port = free_port()
        self.write(self.web(more="workers = 4", listen=f"127.0.0.1:{port}"))
        with self.start() as server:
            self.all_ready(server, 4)
            for flags in ((), ("--keep-alive",)):
                result = self.home / "result.json"
                with self.subTest(flags=flags), self.reloading_all_the_time(server):
                    done = subprocess.run([PROGRAM, "load", f"http://127.0.0.1:{port}/file.txt", "--duration",
                                           str(self.SECONDS), "--concurrency", "16", "--json", str(result), *flags],
                                          capture_output=True, text=True, timeout=self.SECONDS + 60, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    told = json.loads(result.read_text())
                    self.assertEqual(told["failed"], 0, done.stdout)
                    self.assertGreater(told["requests"], 100)
                self.assertGreater(self.reloads, self.SECONDS)
            wait_until(lambda: "reloading" not in server.ctl("status")[1], "the last reload")
            self.assertGreater(server.stderr.count("the new configuration is in effect"), self.SECONDS)
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
            self.assertEqual(server.total("bullpen_worker_exits_total", reason="signal"), 0)

    def test_a_master_that_is_killed_in_a_reload_loses_neither_a_request_nor_the_reload(self):
        port = free_port()
        other = ("other", f'listen = "127.0.0.1:{free_port()}"\nservice = "echo"\nworkers = 1')
        pools = lambda root: [self.web(root, listen=f"127.0.0.1:{port}")] + ([other] if root == "new" else [])
        self.write(*pools("old"))
        with self.start() as server, self.clients(port):
            for number in range(self.KILLS):
                root = ("new", "old")[number % 2]
                self.write(*pools(root))
                server.terminate(signal.SIGHUP)
                time.sleep(0.05 * number / self.KILLS if number % 3 else 0.0002 * number)
                with suppress(ProcessLookupError):  # It has just made room.
                    os.kill(server.master, signal.SIGKILL)
                wait_until(lambda: self.body(server) == root, "the new root")
                wait_until(lambda: "serving" in server.ctl("status")[1], "the reload's end")
            self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
            self.assertEqual(server.total("bullpen_config_last_reload_successful"), 1)


if __name__ == "__main__":
    unittest.main()
