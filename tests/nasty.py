"""Values that are hard to write down, for what must write any: the same ones in every run."""

from random import Random

# What some language takes for its own, what some reader strips or splits at, what takes 2 to 4
# bytes, and letters for the escapes that these make together.
ALPHABET = "'\"`\\$%#;!=-~@&|<>*?^(){}[],:./ \t\nabefnrstuvxN01" + (
    "\u00a0\u00e9\u20ac\u2028\u2029\u200b\u202e\u0301\ufeff\uff07\ue000\U0001f511\U0010fffd"
)

FIXED = [
    "",
    " ",
    "\t",
    "\n",
    *ALPHABET,
    *(mark * 2 for mark in "'\"`\\$%#{"),
    "plain",
    " blanks at both ends ",
    "\ttabs\t",
    "\nlines\n\nand more\n",
    "--flag",
    "-n",
    "# no comment",
    "a # no comment",
    "a;b",
    "a=b=c",
    "$HOME",
    "${HOME}",
    "${V0}",
    "$(id)",
    "`id`",
    "$$ $1 ${X:-y}",
    "100%",
    "%h %n %%",
    "%{x}",
    "{{ x }}",
    "{% raw %}",
    "[a, b]",
    "{a: b}",
    "!tag",
    "&anchor *alias",
    "| > @",
    "---",
    "null",
    "(NULL)",
    "true",
    "(false)",
    "Empty",
    "0x10",
    "1e3",
    "~",
    "'in single quotes'",
    '"in double quotes"',
    "'in single quotes'\n",
    "'\n'",
    "it's",
    'say "so"',
    "\\",
    "\\\\'",
    'ends with \\"',
    "ends with \\",
    "\\n \\t \\s \\x41 \\101 \\u00e9 \\0",
    "a\\\nb",
    "x\nDELIMITER y",
    "x\n-- y\n# z\n/* w */",
    "x\nquit\n\\q",
    "x\n[section]\ny=z",
    "x\nY=z",
    '\n"',
    "\n\\",
    "\n\\\\\n\\",
    "x\n$HOME",
    '"\n"\n',
    "gr\u00fc\u00dfe \u20ac \U0001f511\U0001f469\u200d\U0001f4bb",
    "\n" + "\u00fc" * 1000,
    "\\" + "\u20ac" * 1000,
    "long " * 200,
]


def values(count: int = 300) -> list[str]:
    """All fixed values, and mixtures of the alphabet up to ``count``."""
    random = Random("nasty")
    mixed = ("".join(random.choices(ALPHABET, k=random.randint(2, 40))) for _ in range(count))
    return [*FIXED, *mixed][:count]
