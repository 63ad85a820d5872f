"""The look of the page that `spiketheory.documents.html` prints: frame and styles, no logic."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="spiketheory">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<nav aria-label="Contents">
<p>Contents</p>
{contents}
</nav>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""

STYLE = """\
:root {
  --paper: #ffffff; --ink: #1d1d1f; --soft: #62636b; --line: #d9dade; --box: #f5f6f8;
  --link: #0b5cad; --good: #00684d; --good-box: #e6f4ee;
  --fig-ink: #222222; --fig-grey: #7a7a7a; --fig-grid: #e4e4e4; --fig-shade: #ececec;
  --fig-paper: #ffffff; --fig-blue: #0072b2; --fig-red: #d55e00; --fig-green: #009e73;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171b; --ink: #e4e5e9; --soft: #a3a6b0; --line: #363a43; --box: #1e2127;
    --link: #85b7f2; --good: #6fd6ae; --good-box: #16302a;
    --fig-ink: #e4e5e9; --fig-grey: #9b9ea8; --fig-grid: #30343c; --fig-shade: #292c34;
    --fig-paper: #15171b; --fig-blue: #56b4e9; --fig-red: #f08a4b; --fig-green: #4fc9a0;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body {
  margin: 0 auto; padding: 0 1.25rem; max-width: 47rem;
  background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 Charter, "Bitstream Charter", "Source Serif 4", Georgia, "Liberation Serif",
    serif;
}
main { padding: 1rem 0 4rem; }
h1, h2, h3, nav, dt, th, figcaption, .verdict {
  font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif;
}
h1 { font-size: 2rem; line-height: 1.2; margin: 1.5rem 0 1rem; }
h2 {
  font-size: 1.3rem; margin: 3rem 0 .8rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line);
}
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .8rem 0; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", math; }
mtd { padding: .3em .5em; }
mtd.left, mtd[columnalign=left] { text-align: left; }
.formula { overflow-x: auto; overflow-y: hidden; padding: .5rem 0; margin: .4rem 0; }
.formula math { font-size: 1.12em; padding: 0 .25rem; }
.table { overflow-x: auto; margin: 1.2rem 0; }
table {
  border-collapse: collapse; min-width: min(100%, 32rem); font-size: .94rem; line-height: 1.45;
}
th { text-align: left; font-size: .8rem; font-weight: 600; color: var(--soft); }
th, td { padding: .45rem 1rem .45rem 0; vertical-align: baseline; }
thead { border-bottom: 1.5px solid var(--ink); }
tbody tr + tr { border-top: 1px solid var(--line); }
tbody { border-bottom: 1.5px solid var(--ink); }
pre {
  overflow-x: auto; padding: 1rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--box); font: .82rem/1.5 ui-monospace, Menlo, Consolas, "Liberation Mono",
    monospace;
}
.summary {
  padding: 1.1rem 1.4rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--box);
}
.summary dl { margin: 0; }
.summary dl div { display: grid; grid-template-columns: 7.5rem 1fr; padding: .25rem 0; }
.summary dt { font-size: .85rem; font-weight: 600; color: var(--soft); padding-top: .1rem; }
.summary dd { margin: 0; overflow-x: auto; overflow-y: hidden; }
.verdict {
  margin: .8rem 0 .1rem; padding: .5rem .8rem; border-radius: 6px; font-size: .92rem;
  background: var(--paper); color: var(--soft);
}
.verdict.passed { background: var(--good-box); color: var(--good); }
figure { margin: 1.8rem 0; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { font-size: .85rem; line-height: 1.5; color: var(--soft); margin-top: .5rem; }
nav { font-size: .88rem; line-height: 1.4; padding-top: 1.5rem; }
nav p { font-weight: 600; margin: 0 0 .4rem; color: var(--soft); }
nav ul { list-style: none; margin: 0; padding: 0; columns: 2; }
nav ul ul { padding-left: .9rem; columns: 1; }
nav li { margin: .22rem 0; break-inside: avoid; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
@media (min-width: 72rem) {
  body {
    display: grid; grid-template-columns: 14rem minmax(0, 1fr); gap: 3.5rem; max-width: 66rem;
  }
  nav { position: sticky; top: 0; max-height: 100vh; overflow-y: auto; padding: 2.4rem 0; }
  nav ul { columns: 1; }
}
@media (max-width: 34rem) {
  .summary dl div { grid-template-columns: 1fr; }
  h1 { font-size: 1.6rem; }
}
@media print {
  :root {
    --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --box: #fff; --link: #000;
    --good: #000; --good-box: #fff; --fig-ink: #222222; --fig-grey: #7a7a7a;
    --fig-grid: #e4e4e4; --fig-shade: #ececec; --fig-paper: #ffffff;
    --fig-blue: #0072b2; --fig-red: #d55e00; --fig-green: #009e73;
  }
  @page { margin: 20mm; }
  body { display: block; max-width: none; padding: 0; font-size: 10.5pt; }
  nav { display: none; }
  h2, h3 { break-after: avoid; }
  .formula, .table, figure, tr, .summary { break-inside: avoid; overflow: visible; }
  pre { white-space: pre-wrap; }
}
"""
