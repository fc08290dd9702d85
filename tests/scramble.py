"""Files as accidents leave them."""

import random
import re

WORDS = [
    *(b'-1', b'nan', b'inf', b'1e400', b'99999999999999999999', b'0', b'0.5', b'1,5', b'\xff\xfe'),
    *(b'\x00', b'\xef\xbb\xbf', b'"', b"'", b'<', b'>', b'&', b']]>', b'\r', b'\n', b'\r\n', b'\t'),
    *(b',', b';', b'|', b'sep=;\n', b'../', b'..\\', b'C:\\', b'/', b'a' * 5000, b'{', b'[', b'!!'),
    *(b'&a ', b'*a', b': ', b'- ', b'%', b'\xf0\x9f\x90\xb1', '²'.encode(), '٣'.encode(), b'1_0'),
    *(b'<!DOCTYPE x [<!ENTITY e "1">]>', b'&e;', b'2001-99-99', b'!!int "x"', b'train: .\n'),
    *(b'null', b'true', b'{}', b'[]', b'""', b'[null]', b'-0', b'1e-400', b'NaN', b'Infinity'),
]


def scramble(content: bytes, rng: random.Random) -> bytes:
    """Cuts, repeats, exchanges and inserts, once or a few times."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        how = rng.randrange(7)
        if how == 0:
            content = content[:a]
        elif how == 1:
            content = content[:a] + content[min(b, a + 20) :]
        elif how == 2:
            content = content[:a] + rng.choice(WORDS) + content[a:]
        elif how == 3:
            content = content[:b] + content[a:b] + content[b:]
        elif how == 4:
            content = content[:a] + rng.randbytes(rng.randrange(1, 5)) + content[a:]
        else:  # a word for another, where the format wants one
            words = list(re.finditer(rb'[\w.]+', content))
            if words:
                word = rng.choice(words)
                other = rng.choice([rng.choice(WORDS), rng.choice(words)[0]])
                content = content[: word.start()] + other + content[word.end() :]
        content = content[:20000]
    return content


def scramble_json(value, rng: random.Random, depth: int = 0):
    """Json that is json, with a value, key or item somewhere that does not belong there."""
    odd = [None, True, -1, 0, 1e9, float('nan'), float('inf'), '', 'x', [], {}, [[]], [1, 2], 2**70]
    if depth > 0 and rng.random() < 0.15:
        return rng.choice(odd)
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        changed = dict(value)
        if rng.random() < 0.2:
            del changed[key]
        else:
            changed[key] = scramble_json(value[key], rng, depth + 1)
        return changed
    if isinstance(value, list) and value:
        i, changed = rng.randrange(len(value)), list(value)
        if rng.random() < 0.2:
            del changed[i]
        elif rng.random() < 0.2:
            changed.insert(i, rng.choice(value))
        else:
            changed[i] = scramble_json(value[i], rng, depth + 1)
        return changed
    return rng.choice(odd)
