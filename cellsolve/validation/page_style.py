"""The look of the validation page: light, for screens and for paper."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root { --ink: #222; --soft: #666; --line: #ddd; --good: #00694b; --bad: #b3261e; --paper: #fff; --shade: #f6f7f8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .4rem; padding-top: .6rem; border-top: 1px solid var(--line); }
a { color: #0b57a4; text-decoration: none; } a:hover { text-decoration: underline; }
.summary { font-size: 1.15rem; font-weight: 600; padding: .6rem .9rem; border-left: 5px solid var(--good);
  background: var(--shade); margin: 1rem 0; }
.summary.bad { border-color: var(--bad); color: var(--bad); }
.facts, .note { color: var(--soft); font-size: .9rem; }
.note { white-space: pre-wrap; } .about { margin: .4rem 0 1rem; max-width: 52rem; }
nav ol { columns: 2; column-gap: 2.5rem; padding-left: 1.4rem; margin: .4rem 0; }
nav li { break-inside: avoid; } nav .count { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; margin: .5rem 0 1rem; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid var(--line); padding: .3rem .6rem .3rem 0; }
td { border-bottom: 1px solid var(--line); padding: .25rem .6rem .25rem 0; vertical-align: top;
  overflow-wrap: anywhere; }
th.number, td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th.verdict, td.verdict { text-align: right; white-space: nowrap; padding-right: 0; }
td.holds { color: var(--good); } tr.fails td { color: var(--bad); font-weight: 600; }
.formula { font-size: 1.05em; font-family: "Cambria Math", Cambria, "STIX Two Math", "DejaVu Serif", serif; }
code { font: .85em/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
details { margin: .4rem 0 1rem; } summary { cursor: pointer; color: var(--soft); }
pre { font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap;
  margin: .6rem 0; padding-left: .8rem; border-left: 3px solid var(--line); } .about p { margin: .4rem 0; }
figure { margin: 1.2rem 0 1.6rem; } figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem; margin: .4rem auto 0; }
.failing { color: var(--bad); }
@media (max-width: 40rem) { nav ol { columns: 1; } body { padding: 1rem .8rem 3rem; } }
@media print {
  @page { margin: 16mm 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; } a { color: inherit; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; }
}
"""
