"""What mkdocs.yml can't say: formulas as MathML, links out of docs/, a page for each room, and missing docstrings."""

import importlib
import inspect
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.extensions.toc import slugify
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.plugins.anomaly_lab")  # mkdocs build --strict counts its warnings
ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "anomaly_lab"
OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+)(?:#([^)]+))?\)")  # [text](../path#anchor)


class NoRawHtml(Extension):
    """Shows `<defect>` in a docstring as it stands; Markdown would take it for an HTML element."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Markdown calls it."""
        md.preprocessors.deregister("html_block")
        md.inlinePatterns.deregister("html")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """MkDocs calls it first: formulas, no raw HTML, the rooms in the navigation, and a warning for each missing docstring."""
    fence = {"name": "math", "class": "math", "format": formula}
    config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence]}
    config.markdown_extensions.append(NoRawHtml())
    config.nav.append({"Code": [{room: address(room)} for room in rooms()]})
    for name in undocumented():
        log.warning("%s has no docstring: write one, or start its name with an underscore", name)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs calls it with the files of docs/: adds the pages of the rooms."""
    for room, modules in rooms().items():
        files.append(File.generated(config, address(room), content=room_page(room, modules)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """MkDocs calls it with each page: a link to a file outside docs/ becomes its path, since the site does not hold it."""
    return OUTSIDE.sub(lambda link: outside(link, Path(page.file.abs_src_path or ROOT)), markdown)


def outside(link: re.Match[str], page: Path) -> str:
    """The text of a link with the path of its target. Warns where the target or its heading is missing."""
    text, target, anchor = link.groups()
    path = (page.parent / target).resolve()
    if not path.exists():
        log.warning("%s links to %s, which does not exist: correct the link", page.name, target)
    elif anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
        log.warning("%s links to %s#%s, but no heading there has this anchor: correct the link", page.name, target, anchor)
    return f"{text} (`{path.relative_to(ROOT)}`)"


def anchors(markdown: str) -> set[str]:
    """The anchors of a page's headings."""
    return {slugify(heading, "-") for heading in re.findall(r"^#+ (.+)$", markdown, flags=re.MULTILINE)}


def formula(source: str, language: str, css_class: str, options: Any, md: Markdown, **kwargs: Any) -> str:
    """A ```math block as MathML, which browsers draw without a script."""
    return convert(source, display="block")


def rooms() -> dict[str, list[str]]:
    """Each folder of the package, as a dotted name, with its public modules in alphabetical order."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not any(part.startswith("_") for part in parts):
            found.setdefault(".".join(parts[:-1]), []).append(".".join(parts))
    return found


def address(room: str) -> str:
    """The page of a room, relative to docs/."""
    return f"code/{room}.md"


def room_page(room: str, modules: list[str]) -> str:
    """The Markdown of a room's page: the docstrings of the room and of its modules."""
    members = "\n".join(f"::: {module}" for module in modules)
    return f"# {room}\n\n::: {room}\n    options: {{show_root_toc_entry: false, members: false}}\n\n{members}\n"


def undocumented() -> Iterator[str]:
    """The public rooms, modules, classes, functions and methods without a docstring, their own or an inherited one."""
    for room, modules in rooms().items():
        for name in (room, *modules):
            module = importlib.import_module(name)
            if not module.__doc__:
                yield name
            yield from (f"{name}.{member}" for member in undocumented_in(module))


def undocumented_in(module: ModuleType) -> Iterator[str]:
    """The same of what a module defines."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if (inspect.isclass(value) or inspect.isfunction(value)) and not inspect.getdoc(value):
            yield name
        if inspect.isclass(value):
            methods = {k for k, v in vars(value).items() if not k.startswith("_") and (callable(v) or isinstance(v, property))}
            yield from (f"{name}.{k}" for k in sorted(methods) if not inspect.getdoc(getattr(value, k)))
