"""What stands in the pages: code blocks with their markers, commands, links and anchors."""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = ('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'docs/**/*.md', 'configs/*/README.md')
FENCE = re.compile(r'^( *)```(\S*)')
MARKER = re.compile(r'^<!-- (.*) -->$')
# Inline code that is a command.
INLINE = re.compile(r'^(?:\w+=\S+ )*(?:python3? |bash |make |mim |pip |tools/\S+\.(?:py|sh)\b)')


@dataclass
class Block:
    """A fenced block; ``marker`` is the comment right before it, or ''."""

    page: Path
    line: int
    language: str
    text: str
    marker: str

    def __str__(self) -> str:
        return f'{self.page.relative_to(ROOT)}:{self.line}'


def pages() -> list[Path]:
    found = (path for pattern in PATTERNS for path in ROOT.glob(pattern))
    return sorted(p for p in found if '.' not in p.relative_to(ROOT).as_posix()[0])


def blocks(page: Path, text: str | None = None) -> list[Block]:
    """All fenced blocks of a page, or of ``text`` in its place."""
    found, start = [], None
    lines = (page.read_text() if text is None else text).splitlines()
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if fence and start is None:
            start, language = number, fence[2]
        elif fence:
            content = textwrap.dedent('\n'.join(lines[start + 1 : number])) + '\n'
            marker = MARKER.match(lines[start - 1].strip()) if start else None
            found.append(Block(page, start + 1, language, content, marker[1] if marker else ''))
            start = None
    assert start is None, f'{page}: a block of line {start + 1} does not end'
    return found


def prose(text: str) -> str:
    """A page without its fenced blocks; their lines stay, empty."""
    inside, lines = False, []
    for line in text.splitlines():
        fence = FENCE.match(line)
        lines.append('' if fence or inside else line)
        inside ^= bool(fence)
    return '\n'.join(lines)


def inline_commands(text: str) -> list[str]:
    """Code in the prose that starts like a command."""
    codes = (' '.join(code.split()) for code in re.findall(r'`([^`]+)`', prose(text)))
    return [code for code in codes if INLINE.match(code)]


def commands(text: str) -> list[list[str]]:
    """The commands of shell code, each as its words; comments and redirections are left out."""
    found = []
    for line in text.replace('\\\n', ' ').splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words, rest = [], iter([*lexer, ';'])
        for word in rest:
            if set(word) <= set(';&|()'):
                if words:
                    found.append(words)
                words = []
            elif set(word) <= set('<>'):
                next(rest)
            else:
                words.append(word)
    return found


def links(text: str) -> list[str]:
    """Targets of links and pictures within the repository."""
    text = re.sub(r'`[^`]+`', '', prose(text))
    found = re.findall(r'\]\(([^)\s]+)\)', text)
    return [target for target in found if '://' not in target]


def anchors(text: str) -> set[str]:
    """Anchors of the headings that git hosts and the site's generator agree on."""
    headings = re.findall(r'^#+ (.*)$', prose(text), re.MULTILINE)
    plain = [re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).lower() for heading in headings]
    plain = [re.sub(r'[^\w\s-]', '', heading).strip() for heading in plain]
    return {re.sub(r'\s', '-', p) for p in plain} & {re.sub(r'[\s-]+', '-', p) for p in plain}
