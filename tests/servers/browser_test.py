"""A real browser in front of the service http."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import Bullpen, wait_until

PAGE = """<!doctype html><title>start</title><link rel=stylesheet href=style.css><img id=image src=image.svg>
<script type=module src=script.mjs></script><body>
"""
SCRIPT = """
await image.decode();
const words = [document.styleSheets.length, getComputedStyle(document.body).color, image.naturalWidth];
words.push((await (await fetch('data.json')).json()).answer);
words.push(...await Promise.all([...Array(20).keys()].map(async i => (await fetch('data.json?' + i)).status)));
document.title = words.join(' ');
"""


def dom_of(url, home):
    """The document as it is once the browser has loaded and run everything."""
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={home}/profile", "--virtual-time-budget=10000", "--dump-dom", url],
        capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL, check=True)
    return done.stdout


class Browser(unittest.TestCase):
    def test_a_page_with_its_style_script_image_and_requests_works_on_a_small_pool(self):
        with tempfile.TemporaryDirectory() as home:
            root = Path(home, "root")
            root.mkdir()
            Path(root, "index.html").write_text(PAGE)
            Path(root, "style.css").write_text("body { color: rgb(1, 2, 3) }")
            Path(root, "script.mjs").write_text(SCRIPT)
            Path(root, "data.json").write_text('{"answer": 42}')
            Path(root, "image.svg").write_text(
                '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"><rect width="7" height="7"/></svg>')
            with Bullpen("http", "--root", str(root), "--workers-start", "1", "--workers-max", "4") as server:
                title = " ".join(["1", "rgb(1, 2, 3)", "7", "42", *["200"] * 20])
                self.assertIn(f"<title>{title}</title>", dom_of(server.url, home))

    def test_a_listing_shows_every_name_as_it_is(self):
        with tempfile.TemporaryDirectory() as home:
            root = Path(home, "root")
            Path(root, "a folder").mkdir(parents=True)
            names = ["plain.txt", "with space & <b>tags.txt", "100% ünïcödé #1?.txt"]
            for name in names:
                Path(root, name).write_text(name)
            with Bullpen("http", "--root", str(root)) as server:
                dom = dom_of(server.url, home)
                self.assertIn("plain.txt", dom)
                self.assertIn("a folder", dom)
                self.assertIn("100% ünïcödé #1?.txt", dom)
                self.assertNotIn("<b>", dom)
                wait_until(lambda: server.total("bullpen_connections_in_flight") == 0, "the browser to leave", 60)


if __name__ == "__main__":
    unittest.main()
