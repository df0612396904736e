"""The page of `bullpen compare --report`, in a real browser."""

import html
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import synthetic_result

BULLPEN = os.environ.get("BULLPEN", str(Path(__file__).resolve().parents[2] / "build" / "bullpen"))
PATIENCE_S = 180
PLOTS = ["throughput", "cpu", "latency", "workers", "memory"]

# Runs in the page that holds the report in a frame, and writes what it finds into its own document.
PROBE = """<!doctype html><meta charset=utf-8><body style="margin:0"><iframe id=frame src="report.html"
 style="border:0;width:{width}px;height:900px"></iframe><pre id=found></pre><script>
frame.onload = () => {
  const page = frame.contentDocument, root = page.documentElement, found = {};
  found.wanted = root.scrollWidth; found.width = root.clientWidth; found.title = page.title;
  found.ground = frame.contentWindow.getComputedStyle(page.body).backgroundColor;
  found.cut_off = [...page.body.querySelectorAll('*')].filter(one => {
    const style = frame.contentWindow.getComputedStyle(one), box = one.getBoundingClientRect();
    const narrower = style.overflowX !== 'visible' && style.display !== 'inline' && one.scrollWidth > one.clientWidth + 1;
    return !one.closest('svg') && box.width > 0 && (narrower || box.right > root.clientWidth + 1 || box.left < -1);
  }).map(one => one.tagName + ' ' + one.className + ' ' + one.textContent.slice(0, 60));
  found.sections = [...page.querySelectorAll('main > section[id]')].map(section => {
    const plots = {};
    for (const figure of section.querySelectorAll('figure')) {
      const shown = [...figure.querySelectorAll('[data-model]')].filter(one => {
        const mark = one.querySelector('.mark'), box = mark && mark.getBoundingClientRect();
        return box && box.width > 0 && (box.height > 0 || mark.tagName === 'rect');
      });
      plots[figure.classList[figure.classList.length - 1]] = shown.map(one => one.dataset.model);
    }
    const labels = [...section.querySelectorAll('.latency .label')].map(one => one.getBoundingClientRect())
        .filter(box => box.height > 0).sort((a, b) => a.top - b.top);
    const overlaps = labels.filter((box, i) => i > 0 && box.top < labels[i - 1].top + box.height * 0.6).length;
    const outside = [...section.querySelectorAll('figure text, figure .name, figure .value')].filter(one => {
      const box = one.getBoundingClientRect(), frame = one.closest('figure').getBoundingClientRect();
      return box.width > 0 && (box.right > frame.right + 1 || box.left < frame.left - 1);
    }).map(one => one.textContent);
    const collisions = [...section.querySelectorAll('.row')].filter(row => {
      const name = row.querySelector('.name'), value = row.querySelector('.value');
      if (!name.textContent || !value.textContent) return false;
      const range = page.createRange(); range.selectNodeContents(value);
      const a = name.lastChild, r = page.createRange(); r.selectNodeContents(a);
      const n = r.getBoundingClientRect(), v = range.getBoundingClientRect();
      return n.right > v.left && n.left < v.right && n.bottom > v.top && n.top < v.bottom;
    }).map(row => row.textContent);
    return {id: section.id, plots, overlaps, outside, collisions,
            rows: [...section.querySelectorAll('table')].map(table => table.tBodies[0].rows.length)};
  });
  found.nothing_loaded = frame.contentWindow.performance.getEntriesByType('resource').length;
  document.getElementById('found').textContent = JSON.stringify(found);
};
</script>
"""


def chromium(directory, url, *flags):
    return subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--allow-file-access-from-files", "--enable-logging=stderr",
         f"--user-data-dir={directory}/profile", "--virtual-time-budget=10000", *flags, "--dump-dom", url],
        capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, check=True)


class Report(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        self.page = self.directory / "report.html"

    def compare(self, *arguments, status=0):
        result = subprocess.run([BULLPEN, "compare", *arguments], capture_output=True, text=True, timeout=PATIENCE_S,
                                stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, status, result.stderr)
        return result

    def render(self, comparison):
        source = self.directory / "result.json"
        source.write_text(json.dumps(comparison))
        self.compare("--from", str(source), "--report", str(self.page))

    def look(self, width, *flags):
        probe = self.directory / "probe.html"
        probe.write_text(PROBE.replace("{width}", str(width)))
        done = chromium(self.directory, f"file://{probe}", "--window-size=1700,1000", *flags)
        self.assertNotIn("CONSOLE", done.stderr)
        found = re.search(r"<pre id=\"found\">(.*?)</pre>", done.stdout, re.S)
        self.assertTrue(found and found.group(1), "the page did not load")
        return json.loads(html.unescape(found.group(1)))

    def assert_readable(self, found, width):
        self.assertEqual(found["width"], width)
        self.assertLessEqual(found["wanted"], width, "the page scrolls sideways")
        for section in found["sections"]:
            with self.subTest(section["id"], width=width):
                self.assertEqual(section["overlaps"], 0, "labels of lines overlap")
                self.assertEqual(section["outside"], [], "texts stick out of their plot")
                self.assertEqual(section["collisions"], [], "names and numbers overlap")


class OfAStoredResult(Report):
    def test_nothing_is_cut_off_on_a_small_screen(self):
        for comparison in [synthetic_result.comparison(), synthetic_result.comparison(repeat=1, workers=64)]:
            self.render(comparison)
            for width in [320, 400]:
                found = self.look(width)
                self.assertEqual(found["cut_off"], [], f"{width} px")
                self.assert_readable(found, width)

    def test_every_plot_and_table_of_every_workload_has_every_model_at_every_width(self):
        self.render(synthetic_result.comparison())
        for width in [360, 760, 1000, 1600]:
            found = self.look(width)
            self.assertEqual(found["nothing_loaded"], 0)
            self.assert_readable(found, width)
            workloads = [section for section in found["sections"] if section["id"] != "reading"]
            self.assertEqual([section["id"] for section in workloads], synthetic_result.WORKLOADS)
            for section in workloads:
                for plot in PLOTS:
                    self.assertEqual(sorted(section["plots"][plot]), sorted(synthetic_result.MODELS),
                                     f"{section['id']}, {plot}, {width} px")
                self.assertEqual(section["rows"], [len(synthetic_result.MODELS)] * 2)

    def test_transports_and_full_buffers_are_shown_at_every_width(self):
        self.render(synthetic_result.transports())
        for width in [320, 1000]:
            found = self.look(width)
            self.assertEqual(found["cut_off"] if width < 400 else [], [], f"{width} px")
            self.assert_readable(found, width)
            section = found["sections"][0]
            self.assertEqual(section["rows"], [6, 6, 2, 4])
            for plot in ["throughput", "cpu", "latency", "memory"]:
                self.assertEqual(len(section["plots"][plot]), 6, plot)

    def test_it_follows_the_readers_choice_of_light_or_dark(self):
        self.render(synthetic_result.comparison(workloads=["short"]))
        light = self.look(1000)["ground"]
        dark = self.look(1000, "--blink-settings=preferredColorScheme=0")["ground"]
        self.assertNotEqual(light, dark)

    def test_one_model_one_run_and_sixty_four_workers_are_drawn_too(self):
        self.render(synthetic_result.comparison(models=["prefork"], workloads=["short"], repeat=1))
        self.assertEqual(self.look(360)["sections"][0]["plots"]["throughput"], ["prefork"])
        self.render(synthetic_result.comparison(workloads=["short"], workers=64))
        self.assert_readable(self.look(360), 360)

    def test_what_is_no_result_is_refused_and_no_page_is_written(self):
        source = self.directory / "bad.json"
        source.write_text('{"schema": 99}')
        result = self.compare("--from", str(source), "--report", str(self.page), status=2)
        self.assertIn("bad.json: its schema is 99, expected 1", result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertFalse(self.page.exists())
        result = self.compare("--from", str(self.directory / "none.json"), status=2)
        self.assertIn("none.json: No such file or directory", result.stderr)
        self.assertIn("--from: cannot read", result.stderr)


class OfARealRun(Report):
    def test_a_short_run_makes_a_page_with_its_models(self):
        stored = self.directory / "stored.json"
        table = self.compare("--models", "iterative,prefork", "--duration", "0.3", "--repeat", "2", "--report",
                             str(self.page), "--json", str(stored)).stdout
        found = self.look(1000)
        self.assert_readable(found, 1000)
        for plot in PLOTS:
            self.assertEqual(sorted(found["sections"][0]["plots"][plot]), ["iterative", "prefork"])
        again = self.compare("--from", str(stored), "--report", str(self.directory / "again.html")).stdout
        self.assertEqual(again, table)
        self.assertEqual((self.directory / "again.html").read_text(), self.page.read_text())


if __name__ == "__main__":
    unittest.main()
