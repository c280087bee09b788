"""How often English uses its most frequent words: `discbench/corpora/english_unigram.npy`, made again.

python benchmarks/unigram.py TEXT OUT

TEXT is a corpus as `discbench pretrain` takes it, plain or .xz. Words are runs of letters and digits, in lower case;
any other mark is a word. Prints how many words there were and what share of the text the most frequent ones are.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from discbench.pretraining.artificial import KINDS
from discbench.pretraining.text import read_lines

WORD = re.compile(r"\w+|[^\w\s]")


def main() -> None:
    """Count and write."""
    text, out = map(Path, sys.argv[1:])
    counts: Counter[str] = Counter()
    for line in read_lines(text):
        counts.update(WORD.findall(line.lower()))
    most = np.array([count for _, count in counts.most_common(KINDS)], dtype=np.uint32)
    np.save(out, most)
    share = most.sum() / counts.total()
    print(f"{counts.total():,} words of {len(counts):,} kinds; the {len(most):,} most frequent are {share:.1%} of them")


if __name__ == "__main__":
    main()
