"""A million names, and questions about them. The same on every machine.

Made names have the shapes that names on blocklists have: how many labels, how
long, which endings, how often a site stands there with and without `www.`, and
how few sites have thousands of names. With OPTOUT_SHARED they begin with real ones.
"""

import bisect
import gzip
import itertools
import os
import random
import re
import shutil
import sys

BENCH = os.environ["BENCH"]  # where what is made and built is kept between runs
VERSION = 1  # of this generator; what an older one made is made anew
HITS, DEEPS, MISSES = 200_000, 100_000, 200_000

# Shares counted in real lists of some 426,000 names.
ENDINGS = {"com": 512, "net": 104, "it": 45, "xyz": 30, "pl": 25, "info": 21, "ru": 20, "org": 18,
           "de": 18, "cn": 13, "top": 12, "site": 12, "io": 6, "eu": 6, "co.uk": 6, "co": 6,
           "co.jp": 5, "com.br": 5, "club": 4, "fr": 4, "online": 4, "nl": 4, "com.au": 4, "me": 4,
           "in": 4, "pro": 4, "app": 3, "biz": 3, "space": 3, "vn": 3, "live": 3, "ca": 3, "tv": 3,
           "shop": 2, "us": 2, "cc": 2, "at": 2, "es": 2, "com.ua": 2, "co.kr": 2}
FIRST = {"www": 120, "net": 53, "fls": 17, "ns": 15, "c": 14, "go": 6, "ads": 6, "us": 6, "sc": 5,
         "metrics": 4, "cdn": 4, "api": 4, "eu": 3, "analytics": 3, "info": 3, "tt": 3, "stats": 2,
         "ssl": 2, "control": 2, "ad": 2, "track": 2, "pixel": 2, "m": 2, "s": 2, "img": 2, "log": 2}
# Lengths of the label before the ending: 2 letters, 3, 4 …
LENGTHS = [2, 10, 23, 46, 77, 125, 99, 88, 90, 74, 70, 62, 52, 43, 32, 24, 19, 15, 12, 9, 7, 5, 4, 3]
EXTRA_LABELS = [72, 18, 4, 3, 3]  # of names below a site: 1 label more, 2, 3 …
REAL = re.compile(r"(?=.{4,200}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")


class Maker:
    """Makes names from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.endings = Weighted(self.random, list(ENDINGS), ENDINGS.values())
        self.first = Weighted(self.random, list(FIRST), FIRST.values())
        self.lengths = Weighted(self.random, range(2, 2 + len(LENGTHS)), LENGTHS)
        self.extra = Weighted(self.random, range(1, 1 + len(EXTRA_LABELS)), EXTRA_LABELS)
        syllables = [a + b + c for a in ["", *"bcdfghjklmnprstvwz", "st", "tr", "pl", "sh"]
                     for b in "aeiou" for c in ["", "", "", "n", "r", "s", "l", "t"]]
        self.random.shuffle(syllables)
        # Some are much more frequent, as in words.
        self.syllables = Weighted(self.random, syllables, [1 / (n + 8) for n in range(len(syllables))])
        self.words = [self.letters(self.random.randint(3, 9)) for _ in range(4000)]

    def letters(self, length):
        text = ""
        while len(text) < length:
            text += self.syllables.pick()
        return text[:length]

    def label(self):
        """The label of a site: two words, or letters, some with a hyphen or digits."""
        rnd, length = self.random, self.lengths.pick()
        text = rnd.choice(self.words) if rnd.random() < 0.6 else self.letters(length)
        if len(text) < length:
            text += "-" * (rnd.random() < 0.2) + rnd.choice(self.words)
        if rnd.random() < 0.16:
            return text[:max(length - 3, 2)].strip("-") + str(rnd.randrange(1, 2000))
        return text[:max(length, 2)].strip("-")

    def site(self):
        return f"{self.label()}.{self.endings.pick()}"

    def below(self):
        """One to five labels that stand before a site."""
        return ".".join(self.one_below() for _ in range(self.extra.pick()))

    def one_below(self):
        kind = self.random.random()
        if kind < 0.35:
            return self.first.pick()
        if kind < 0.55:
            return f"{self.random.choice(self.words)}{self.random.randrange(1, 300)}"
        if kind < 0.65:
            return f"{self.random.getrandbits(self.random.choice([24, 32, 64])):x}"
        return self.letters(self.lengths.pick())

    def listed(self):
        """What a list has of one site: itself, `www.`, and of few sites a great many names."""
        rnd, site = self.random, self.site()
        if rnd.random() < 0.78:
            yield site
        kind = rnd.random()
        if kind < 0.40:
            yield f"www.{site}"
        elif kind < 0.44:
            for _ in range(min(int(3 * rnd.paretovariate(1.15)), 20_000)):
                yield f"{self.below()}.{site}"


class Weighted:
    """Picks by weight. `random.choices` sums the weights up each time."""

    def __init__(self, source, items, weights):
        self.random, self.items = source.random, items
        self.sums = list(itertools.accumulate(weights))

    def pick(self):
        return self.items[bisect.bisect(self.sums, self.random() * self.sums[-1])]


def make(count):
    """The names in the order of a list: sorted, as most lists are."""
    names, maker = set(real()[:count]), Maker(1)
    while len(names) < count:
        names.update(itertools.islice(maker.listed(), count - len(names)))
    return sorted(names)


def real():
    """The real names, when there are some here: `lists/*.txt.gz` of OPTOUT_SHARED."""
    if not os.environ.get("OPTOUT_SHARED"):
        return []
    with gzip.open(os.path.join(os.environ["OPTOUT_SHARED"], "lists", "real-426k.txt.gz"), "rt") as file:
        return [line for line in file.read().splitlines() if REAL.fullmatch(line)]


def questions(names):
    """Names that are stopped by their own rule, by one two labels above, and not at all."""
    maker, listed = Maker(2), set(names)
    hits = maker.random.sample(names, min(HITS, len(names)))
    deeps = [f"{maker.one_below()}.{maker.one_below()}.{name}"
             for name in maker.random.sample(names, min(DEEPS, len(names)))]
    misses = set()
    while len(misses) < min(MISSES, len(names)):
        site = maker.site()
        name = f"{maker.below()}.{site}" if maker.random.random() < 0.6 else site
        if not any(parent in listed for parent in parents(name)):
            misses.add(name)
    misses = sorted(misses)
    maker.random.shuffle(misses)
    return {"hit": hits, "deep": [name for name in deeps if len(name) < 250], "miss": misses}


def parents(name):
    """The name and all that it is below."""
    labels = name.split(".")
    return [".".join(labels[n:]) for n in range(len(labels))]


def prepare(count):
    """Writes names and questions where they are not yet; yields the directory.

    `names`, `hit`, `deep`, `miss`: one name a line. `adblock`: one ||name^ a line.
    """
    place = f"{BENCH}/names-{VERSION}-{count}{'-real' if os.environ.get('OPTOUT_SHARED') else ''}"
    if os.path.isdir(place):
        return place
    print(f"making {count} names", file=sys.stderr)
    shutil.rmtree(f"{place}.new", ignore_errors=True)
    os.makedirs(f"{place}.new")
    names = make(count)
    files = {"names": names, "adblock": [f"||{name}^" for name in names], **questions(names)}
    # Other names in one of a hundred lines: the list of tomorrow.
    tomorrow = Maker(3)
    files["tomorrow"] = [f"new-{tomorrow.one_below()}-{n}.example" if n % 100 == 0 else name
                         for n, name in enumerate(names)]
    shuffled = names[:]
    random.Random(4).shuffle(shuffled)
    files["dnsperf"] = [f"{name} A" for name in shuffled]
    some = random.Random(5).sample(shuffled, min(HITS, len(shuffled)))
    files["mixed"] = [f"{files['miss'][n % len(files['miss'])] if n % 4 == 0 else name} A"
                      for n, name in enumerate(some)]
    for file, lines in files.items():
        with open(f"{place}.new/{file}", "w") as out:
            out.writelines(f"{line}\n" for line in lines)
    os.rename(f"{place}.new", place)
    return place


def head(path, count):
    """The first lines of a file."""
    with open(path) as file:
        return [line.rstrip("\n") for line in itertools.islice(file, count)]
