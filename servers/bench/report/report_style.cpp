#include "servers/bench/report/report_style.hpp"

namespace bullpen {

// Colours of lines and bars: Okabe and Ito's, told apart by the colour-blind too, with lightness for either
// ground.
const char* const report_style = R"css(
:root {
  color-scheme: light dark;
  --ground: #fcfbf8; --card: #fff; --ink: #1c232b; --soft: #5b6570; --line: #dedcd5; --grid: #e9e7e1;
  --plain: #2f6f9f; --user: #0072b2; --system: #e69f00; --reference: #c2410c; --rank: #eef2f5;
  --c0: #1c232b; --c1: #0072b2; --c2: #c75000; --c3: #00835f; --c4: #b0478a; --c5: #8a6d00; --c6: #2a9fd6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161b; --card: #191f26; --ink: #e7eaee; --soft: #a0abb7; --line: #313a45; --grid: #28303a;
    --plain: #5aa9dd; --user: #56b4e9; --system: #e69f00; --reference: #ff8a5c; --rank: #27303a;
    --c0: #f1f3f5; --c1: #56b4e9; --c2: #ff8f4d; --c3: #34c79a; --c4: #e28fc3; --c5: #e8cf4a; --c6: #8f9dff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 84rem;
  background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word;
}
h1 { font-size: clamp(1.6rem, 1.2rem + 1.8vw, 2.4rem); line-height: 1.15; margin: 0 0 .6rem; letter-spacing: -.015em; }
h2 { font-size: 1.45rem; line-height: 1.25; margin: 0; letter-spacing: -.01em; }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; }
p, li { max-width: 46rem; }
a { color: inherit; }
.verdict { font-size: 1.2rem; line-height: 1.5; max-width: 52rem; margin: 1rem 0 1.4rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); gap: .8rem 1.5rem; margin: 0 0 1rem; }
.facts div { border-top: 1px solid var(--line); padding-top: .4rem; }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; }
pre, code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; font-size: .86rem; }
pre { white-space: pre-wrap; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; margin: .4rem 0; }
nav { margin: 1.4rem 0 0; display: flex; flex-wrap: wrap; gap: .4rem; }
nav a { border: 1px solid var(--line); border-radius: 1rem; padding: .15rem .8rem; text-decoration: none; background: var(--card); font-size: .9rem; }
nav a:hover { border-color: var(--soft); }
section { margin-top: 3.5rem; border-top: 3px solid var(--ink); padding-top: 1rem; }
section > .setup { color: var(--soft); font-size: .92rem; }
.findings { padding-left: 1.2rem; margin: .8rem 0 1.2rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 1.2rem; align-items: start; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.1rem; min-width: 0; }
figure.latency { grid-column: 1 / -1; }
figcaption { color: var(--soft); font-size: .88rem; line-height: 1.4; margin-bottom: .7rem; }
.row + .legend { margin: .4rem 0 0; }
figcaption strong { color: var(--ink); font-size: 1.02rem; font-weight: 650; }
.row { display: grid; grid-template-columns: 10.6rem minmax(0, 1fr) 10.2rem; column-gap: .7rem; align-items: center; font-size: .86rem; }
.row svg { display: block; width: 100%; height: 1.7rem; overflow: visible; }
.workers .row { padding: .15rem 0; }
.workers .row svg { height: 2.3rem; }
.row .name { white-space: nowrap; text-align: right; }
.row .value { white-space: nowrap; }
.row:not(.axis):hover .name, .row:not(.axis):hover .value { font-weight: 650; }
small { color: var(--soft); font-size: .78rem; }
.rank { float: left; min-width: 2.6rem; text-align: center; background: var(--rank); border-radius: .3rem; font-size: .74rem; line-height: 1.25rem; color: var(--soft); }
.axis { color: var(--soft); font-size: .76rem; }
.ticks { position: relative; height: 1.3rem; }
.ticks span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.ticks i { position: absolute; left: 100%; padding-left: .3rem; font-style: normal; }
.grid { stroke: var(--grid); stroke-width: 1; }
.plain { fill: var(--plain); background: var(--plain); }
.user { fill: var(--user); background: var(--user); }
.system { fill: var(--system); background: var(--system); }
.whisker { stroke: var(--ink); stroke-width: 1.4; }
.reference { stroke: var(--reference); stroke-width: 1.6; stroke-dasharray: 4 3; }
.beyond { fill: #fff; font-size: 1.1rem; font-weight: 700; paint-order: stroke; stroke: #0007; stroke-width: 3px; }
.note { fill: var(--soft); font-size: .8rem; }
.legend { font-size: .82rem; color: var(--soft); display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: -.3rem 0 .5rem; max-width: none; }
.legend span { display: inline-flex; align-items: center; gap: .4rem; }
.swatch { width: .8rem; height: .8rem; border-radius: .15rem; display: inline-block; flex: none; }
.swatch.line { width: 0; height: 1rem; border-left: 2px dashed var(--reference); border-radius: 0; }
.latency svg { display: block; width: 100%; height: auto; margin: 0 auto; }
.latency .narrow { display: none; max-width: 30rem; }
.latency text { font-size: 12px; fill: var(--ink); }
.latency .narrow text { font-size: 11px; }
.latency .tick { fill: var(--soft); }
.curve .mark { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
.curve .reach { fill: none; stroke: transparent; stroke-width: 12; }
.curve .leader { fill: none; stroke: currentColor; stroke-width: .8; opacity: .55; }
.latency .curve .label { fill: currentColor; font-weight: 500; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); } .c6 { color: var(--c6); }
.d1 .mark { stroke-dasharray: 7 4; } .d2 .mark { stroke-dasharray: 2 3; }
.curves:hover .curve:not(:hover) { opacity: .16; }
.curve:hover .mark { stroke-width: 3.2; }
.scroll { overflow-x: auto; margin: .4rem 0 1rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
caption { text-align: left; padding: .5rem .8rem 0; color: var(--soft); }
th, td { padding: .3rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
th { font-weight: 600; vertical-align: bottom; }
tr:last-child > * { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--card); }
tbody tr:hover > * { background: var(--rank); }
.glance td { text-align: left; white-space: normal; vertical-align: top; min-width: 9rem; }
.glance th { text-align: left; }
.glance tbody th { vertical-align: top; }
.remarks { color: var(--soft); font-size: .9rem; padding-left: 1.2rem; }
.models { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1.2rem; max-width: 52rem; }
.models dt { color: var(--ink); font-weight: 600; font-size: .95rem; }
@media (max-width: 760px) {
  .latency .wide { display: none; }
  .latency .narrow { display: block; }
  figure { padding: .8rem; }
  .row { grid-template-columns: auto 1fr; row-gap: 0; }
  .row .name { text-align: left; }
  .row .rank { margin-right: .4rem; min-width: 2.2rem; }
  .row .value { grid-column: 2; grid-row: 1; text-align: right; }
  .row svg, .row .ticks { grid-column: 1 / -1; }
  .row:not(.axis) { margin-bottom: .3rem; }
  .row svg { height: 1.25rem; }
  .ticks { margin-right: 2rem; }
  .ticks i { display: none; }
  .rows .row svg { width: calc(100% - 2rem); }
  .models { grid-template-columns: 1fr; }
  .models dd { margin-bottom: .5rem; }
}
@media print { figure, table { break-inside: avoid; } nav { display: none; } }
)css";

}  // namespace bullpen
