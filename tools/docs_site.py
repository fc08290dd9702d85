"""What MkDocs does differently for this repository: a hook of ``mkdocs.yml``.

- Pages are where a reader of the repository looks for them, not in one folder. Their paths from
  the root stay, so a link that works on a git host works in the site.
- ``<!-- api: NAME -->`` in a page becomes the documentation of that object. On a git host it is
  invisible.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).resolve().parents[1]
PAGES = ('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'docs/**/*.md', 'configs/*/README.md')
# What pages show or link to.
OTHERS = (
    'docs/**/*.svg',
    'docs/**/*.png',
    'docs/**/*.jpg',
    'docs/**/*.py',
    'configs/**/*.py',
    'configs/*/metafile.yml',
    'centernet_plugin/**/*.py',
    'tests/**/*.py',
    'tools/**/*.py',
    'tools/*.sh',
    'constraints/*.txt',
    'LICENSE',
    'Makefile',
    'model-index.yml',
)
API = re.compile(r'^<!-- api: ([\w.]+) -->$', re.MULTILINE)
ROLE = re.compile(r':(?:func|class|meth|mod|attr):<code>~?([\w.]+)</code>')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages of the whole repository instead of those in ``docs_dir``."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for patterns, is_page in ((PAGES, True), (OTHERS, False)):
        for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if '/.' not in name:
                files.append(_file(name, config, is_page))
    style = HtmlFormatter(style='default').get_style_defs('.highlight')
    files.append(File.generated(config, 'pygments.css', content=style))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let mkdocstrings do its work where a page names an object."""
    return API.sub(r'::: \1', markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Cross references of docstrings as names, without Sphinx's marks."""
    return ROLE.sub(lambda match: f'<code>{match[1].rpartition(".")[2]}</code>', html)


def _file(name, config, is_page):
    file = File(name, str(ROOT), config.site_dir, config.use_directory_urls)
    if name == 'README.md':  # the site starts with docs/README.md
        file.dest_uri = 'readme/index.html'
        file.inclusion = InclusionLevel.NOT_IN_NAV
    elif is_page and name.startswith('docs/'):
        file.dest_uri = file.dest_uri.removeprefix('docs/')
    return file
