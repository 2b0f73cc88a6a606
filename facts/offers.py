"""What apt offers of the packages that a host lacks, asked before anything changes."""

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypedDict

from pyinfra.api import FactBase, StringCommand

from facts.packages import READ_ONLY

# Debian's lists that `FreshOffers` read wait here for the deploy that follows: root's alone, and
# gone with the next boot.
KEPT = "/run/chom/lists"
# A mirror that is slow is waited for; one that takes connections and says nothing is not.
READ_LIMIT_S = 180


class Offer(NamedTuple):
    """A version of a package, and the base URL of the archive that has it."""

    version: str
    url: str


class OffersData(TypedDict):
    """``possible``: whether all of the packages can be installed. ``install``: what would be
    installed or replaced then, package → version.

    ``versions``: package → its versions, newest first: of those that were to be listed, and of all
    if the packages cannot be installed. ``unmet``: why they cannot, although each of them exists,
    in apt's words. ``failed``: URL of a package source that could not be read → the reason.
    """

    possible: bool
    versions: dict[str, list[Offer]]
    install: dict[str, str]
    unmet: list[str]
    failed: dict[str, str]


def no_offers() -> OffersData:
    """The answer of a host that says nothing."""
    return OffersData(possible=False, versions={}, install={}, unmet=[], failed={})


class Offers(FactBase[OffersData]):
    """What apt offers of ``names`` (NAME or NAME=VERSION), by the lists that the host has.

    ``listed``: packages whose versions are told in any case. Nothing is written: neither a lock nor
    apt's cache.
    """

    default = staticmethod(no_offers)
    asked_alone = True

    def command(self, names: Sequence[str], listed: Sequence[str] = ()) -> StringCommand:
        return StringCommand(
            f'apt() {{ tool=$1; shift; $tool {READ_ONLY} "$@"; }}; '
            "t=$(mktemp -d /run/chom-offers.XXXXXX) || exit 1;"
            f" trap 'rm -rf \"$t\"' EXIT\n{_asking(names, listed)}"
        )

    def process(self, output: list[str]) -> OffersData:
        return _parse(output)


class FreshOffers(FactBase[OffersData]):
    """What apt offers of ``names`` once lists are read again, into a temporary folder.

    ``vendors``: the repositories to read beside the host's own sources, each as URL, suite and
    components. ``ours``: the files in sources.list.d that these replace. ``suites``,
    ``preferences``: text of sources (deb822) and of preferences to add to the host's own. ``own``:
    whether to read the host's own sources as well; else the lists that it has are used. ``keep``:
    whether to keep those for the deploy that follows, if all ``names`` can be installed.
    ``listed``: packages whose versions are told in any case; None: tell those of all, and do not
    ask what an installation would bring.

    The keys of ``vendors`` are not checked, as names and versions alone are believed.
    """

    default = staticmethod(no_offers)
    asked_alone = True

    def command(
        self,
        names: Sequence[str],
        vendors: Sequence[str],
        listed: Sequence[str] | None = (),
        ours: Sequence[str] = (),
        suites: str = "",
        preferences: str = "",
        own: bool = False,
        keep: bool = False,
    ) -> StringCommand:
        values = {
            "vendors": "\n".join(vendors),
            "ours": " ".join(ours),
            "suites": suites,
            "preferences": preferences,
        }
        lists = "$t/own.lists" if own else "/var/lib/apt/lists"
        return StringCommand(
            "\n".join(
                [
                    *(f"{name}={shlex.quote(value)}" for name, value in values.items()),
                    _FRESH,
                    # Both at the same time: each takes seconds.
                    "read_own & read_vendors; wait" if own else "read_vendors",
                    f'combine "{lists}"',
                    'apt() { tool=$1; shift; APT_CONFIG=$t/all.conf $tool "$@"; }',
                    _asking(names, listed),
                    'cat "$t"/*.failed 2>/dev/null',
                    _KEEP if own and keep else "true",
                ]
            )
        )

    def process(self, output: list[str]) -> OffersData:
        return _parse(output)


# $t is on a file system in memory, and goes at the end, so the host's disk stays as it is.
_FRESH = r"""
export LC_ALL=C
t=$(mktemp -d /run/chom-offers.XXXXXX) || exit 1
trap 'rm -rf "$t"' EXIT
chmod 755 "$t"
mkdir -m 700 "$t/own" "$t/none"
mkdir -p "$t/cache/archives/partial"
: >"$t/vendors"
cp /etc/apt/sources.list "$t/own.list" 2>/dev/null || : >"$t/own.list"
for file in /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  case " $ours " in *" ${file##*/} "*) ;; *) [ ! -f "$file" ] || cp "$file" "$t/own/" ;; esac
done
{ cat /etc/apt/preferences 2>/dev/null; printf '\n%s\n' "$preferences"; } >"$t/preferences"
[ -z "$suites" ] || printf '%s' "$suites" >"$t/own/chom-suites.sources"

# FILE SOURCES PARTS LISTS: write the host's configuration of apt with these, and without hooks.
configure() {
  mkdir -p "$4/partial"
  {
    apt-config dump |
      grep -viE '^(APT::Update::P|Dir::Etc::(parts|main) |Acquire::Languages|DPkg::)'
    printf 'Dir::Etc::%s "/dev/null";\n' parts main
    printf '%s "%s";\n' Dir::Etc::sourcelist "$2" Dir::Etc::sourceparts "$3" \
      Dir::State::lists "$4" Dir::Cache "$t/cache" Dir::Cache::pkgcache "" \
      Dir::Cache::srcpkgcache "" Dir::Log::Planner /dev/null Debug::NoLocking 1 \
      Dir::Etc::preferences "$t/preferences" \
      Acquire::Languages none Acquire::Retries 1 Acquire::http::Timeout 15 \
      Acquire::https::Timeout 15 APT::Update::Error-Mode any
  } >"$1.conf"
}

# NAME: read the lists of the configuration of that name; note which could not be read, and why.
refresh() {
  APT_CONFIG=$t/$1.conf timeout READ_LIMIT_S apt-get -q update >"$t/$1.log" 2>&1 && return
  [ $? != 124 ] || echo "failed=$1 no answer within READ_LIMIT_S s" >>"$t/$1.failed"
  sed -nE "s#^[EW]: (Failed to fetch|The repository) '?([a-z+]+://[^ ]*) *(.*)#failed=\2 \3#p" \
    "$t/$1.log" >>"$t/$1.failed"
  [ -s "$t/$1.failed" ] || sed -n 's/^[EW]: /failed=apt /p' "$t/$1.log" >"$t/$1.failed"
}

# HOST: fails if the name has no address: apt would use up all memory while it asks for it.
resolves() {
  timeout 10 getent ahosts "$1" >/dev/null || apt-config dump | grep -qi '^acquire::https*::proxy'
}

read_vendors() {
  configure "$t/vendors" "$t/vendors" "$t/none" "$t/vendors.lists"
  printf '%s\n' "$vendors" >"$t/wanted"
  while read -r url suite components; do
    host=${url#*://} host=${host%%/*}
    case $host in \[*) host=${host%%]*} host=${host#?} ;; *) host=${host%%:*} ;; esac
    if [ -z "$url" ]; then continue
    elif resolves "$host"; then echo "deb [trusted=yes] $url $suite $components" >>"$t/vendors"
    else echo "failed=$url the name $host has no address" >>"$t/names.failed"; fi
  done <"$t/wanted"
  [ ! -s "$t/vendors" ] || refresh vendors
}

read_own() {
  configure "$t/own" "$t/own.list" "$t/own" "$t/own.lists"
  # They are four times as large unpacked.
  echo 'Acquire::GzipIndexes "true";' >>"$t/own.conf"
  refresh own
}

# FOLDER: have apt ask the lists in it and the vendors'.
combine() {
  mkdir -p "$t/lists"
  for list in "$1"/*_* "$t"/vendors.lists/*_*; do
    [ ! -f "$list" ] || ln -sf "$list" "$t/lists/"
  done
  cat "$t/own.list" "$t/vendors" >"$t/all.list"
  configure "$t/all" "$t/all.list" "$t/own" "$t/lists"
}
""".replace("READ_LIMIT_S", str(READ_LIMIT_S))

_KEEP = (
    'if [ "$possible" = yes ] && [ ! -s "$t/own.failed" ]; then mkdir -p /run/chom;'
    f' rm -rf {KEPT}; mkdir -m 700 {KEPT}; mv "$t"/own.lists/*_* {KEPT}/; fi; true'
)


def _asking(names: Sequence[str], listed: Sequence[str] | None) -> str:
    """Commands that print what the shell function ``apt`` offers; $t is a temporary folder."""
    every, some = _names(names), _names(listed or ())
    if listed is None:
        return f"{_ASKING}\nlist_versions {every}"
    return f"""{_ASKING}
if simulate {shlex.join(names)}; then echo possible=yes; possible=yes; list_versions {some}
else
  explain_sources
  list_versions {every}
  set --
  for word in {shlex.join(names)}; do ! is_offered "$word" || set -- "$@" "$word"; done
  [ $# = 0 ] || simulate "$@" || explain
fi"""


def _names(names: Iterable[str]) -> str:
    return shlex.join(dict.fromkeys(name.split("=")[0] for name in names))


_ASKING = r"""
export LC_ALL=C
possible=no
: >"$t/offers"

# NAME…: print the versions of these packages, newest first, with the URL that each comes from.
list_versions() {
  [ $# -gt 0 ] || return 0
  apt apt-cache madison "$@" 2>/dev/null | awk -F ' *[|] *' '{
    sub(/^ +/, "", $1); split($3, source, " ")
    if (!seen[$1, $2]++) print $1 "=" $2 " " source[1] }' >"$t/offers"
  sed 's/^/offer=/' "$t/offers"
}

# NAME or NAME=VERSION: whether it is among the listed ones.
is_offered() {
  awk -v word="$1" '$1 == word || index($1, word "=") == 1 { found = 1 } END { exit !found }' \
    "$t/offers"
}

simulate() {
  apt apt-get -s -y -q --no-install-recommends --allow-downgrades install "$@" >"$t/sim" 2>&1 &&
    sed -n 's/^Inst \([^ ]*\).*(\([^ ]*\) .*/install=\1=\2/p' "$t/sim"
}

# Sources that exclude each other, or that cannot be read at all, leave apt without any package.
explain_sources() {
  sed -nE 's/^E: (Conflicting values|Malformed|The list of sources|Type )(.*)/failed=apt \1\2/p' \
    "$t/sim"
}

explain() {
  sed -n '/unmet dependencies/,/^E: /s/^ \(.* : .*\)/unmet=\1/p' "$t/sim"
  grep -q 'unmet dependencies' "$t/sim" || sed -n 's/^E: /unmet=/p' "$t/sim"
}
"""


def _parse(output: Iterable[str]) -> OffersData:
    data = no_offers()
    for line in output:
        kind, _, text = line.partition("=")
        name, _, version = text.partition("=")
        if kind == "possible":
            data["possible"] = True
        elif kind == "offer":
            number, _, url = version.partition(" ")
            data["versions"].setdefault(name, []).append(Offer(number, url))
        elif kind == "install":
            data["install"][name.split(":")[0]] = version
        elif kind == "unmet":
            data["unmet"].append(" ".join(text.split()))
        elif kind == "failed":
            url, _, reason = text.partition(" ")
            data["failed"].setdefault(url, reason.strip())
    return data
