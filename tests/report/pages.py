"""A report as people read it: report.md, and report.html with all pictures inside; the tables on the terminal, too."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from rich.console import Console

from tests.report.tables import Grid

MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}
STYLE = """\
:root { color-scheme: light dark }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 92rem; margin: 2rem auto; padding: 0 1.25rem }
h1, h2, h3 { line-height: 1.25; margin: 2em 0 .6em } h1 { margin-top: 0 }
p, li { max-width: 52rem }
.table { overflow-x: auto; margin: 1em 0 }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: .3em .6em; border-bottom: 1px solid #8884; vertical-align: top }
th { border-bottom: 2px solid #888a } tbody tr:hover { background: #8881 }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px }
code { font-size: .92em; background: #8882; padding: .1em .3em; border-radius: 3px }
pre code { display: block; padding: .8em 1em; overflow-x: auto }"""


@dataclass(frozen=True)
class Picture:
    """A file of the report's folder."""

    name: str
    says: str = ""
    """What it shows, for who cannot see it; the name without its ending if empty."""

    def markdown(self) -> str:
        return f"![{self.says or self.name.rpartition('.')[0]}]({self.name})"


Part = str | Grid | Picture
"""Markdown, a table, a picture."""


def publish_parts(parts: Sequence[Part], folder: Path, console: Console, *, data: Any, last_words: str = "") -> None:
    """Write results.json (of the dataclass `data`), report.md and report.html, and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(asdict(data), indent=1), encoding="utf-8")
    text = markdown(parts)
    (folder / "report.md").write_text(text, encoding="utf-8")
    (folder / "report.html").write_text(page(text, folder), encoding="utf-8")
    for part in parts:
        if isinstance(part, Grid) and part.is_printed:
            console.print(part.drawn())
    if last_words:
        console.print(last_words, highlight=False, markup=False)
    console.print(f"{data.took_s:.0f} s; {folder}: report.html, report.md, results.json", highlight=False)


def markdown(parts: Sequence[Part]) -> str:
    """The whole report; parts that are empty are left out."""
    return "\n\n".join(part if isinstance(part, str) else part.markdown() for part in parts if part) + "\n"


def page(text: str, folder: Path) -> str:
    """The same as one HTML page that needs no other file; pictures are read from `folder`."""
    body = MarkdownIt("commonmark").enable("table").render(text)
    body = re.sub(r'src="([^":]+)"', lambda found: f'src="{_inline(folder / found[1])}"', body)
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title[1] if title else 'report')}</title>\n<style>\n{STYLE}\n</style></head>\n"
        f"<body>\n{body}</body></html>\n"
    )


def _inline(file: Path) -> str:
    return f"data:{MEDIA[file.suffix]};base64,{base64.b64encode(file.read_bytes()).decode()}"
