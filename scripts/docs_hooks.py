"""Hooks that mkdocs calls while it builds the site: pages that are not in docs/, and links between all pages."""

import posixpath
import re
from pathlib import Path

from docs_commands import command_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
REPOSITORY_PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "datasets/README.md": "datasets.md",
    "datasets/multi_illumination/README.md": "multi_illumination.md",
    "relightnerf/weights/compact/README.md": "compact.md",
    "relightnerf/weights/depth/README.md": "depth_network.md",
}
"""Files of the repository that are also pages of the site, and their place there."""

_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages made from the commands' own help and from other files of the repository."""
    pages = {site: (ROOT / path).read_text(encoding="utf-8") for path, site in REPOSITORY_PAGES.items()}
    pages["commands.md"] = command_pages()
    for site, text in pages.items():
        files.append(File.generated(config, site, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links that are right in the repository into links that are right on the site."""
    here = next((path for path, site in REPOSITORY_PAGES.items() if site == page.file.src_uri), None)
    folder = posixpath.dirname(here or f"docs/{page.file.src_uri}")
    start = posixpath.dirname(page.file.src_uri) or "."

    def on_site(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        site = REPOSITORY_PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        return link[1] if site is None else posixpath.relpath(site, start)

    return _LINK.sub(on_site, markdown)
