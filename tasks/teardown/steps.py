"""What a plan is to pyinfra: for each component the operations that take it away, then the rest."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from tasks.component import Component, Site, Step, component, declare, noted
from tasks.operations import removing, uninstalling
from tasks.teardown.plan import Item, Plan

# The component that speaks for those that are no longer declared.
LEFTOVERS = "leftovers"
# What a kind of thing is called where it is removed.
_WORDS = {
    "services": "service",
    "files": "file",
    "artifacts": "files of",
    "data": "data",
    "users": "user",
    "databases": "database",
    "database_users": "database user",
    "firewall_rules": "firewall rule",
}


def tear_down(found: Plan, site: Site) -> list[Step]:
    """The steps of a teardown: whatever fails in one, the others are done."""
    parts = [
        _part(name, list(items))
        for name, items in groupby(found.removed, key=lambda item: item.component)
    ]
    steps = _declare([*parts, _rest("packages", found), _rest("folders", found)], site)
    for step in steps:
        step.alone = True
    return steps


def remove_leftovers(left: Plan, site: Site, needs: Sequence[str]) -> list[Step]:
    """The last step of a deployment: remove what is ours and no longer declared.

    Returns no step if there is nothing to remove.

    + needs: the target's components; if one is not complete, a release of before may still run
      with what would be removed
    """
    if not left.every:
        return []
    found = left.taken_from(LEFTOVERS)

    @component(needs=needs)
    def leftovers(_: Site) -> None:
        for item in found.removed:
            _remove(item)
        _remove_packages(found, site)
        _put_back(found)
        _remove_folders(found)
        _settle()

    return _declare([_named(LEFTOVERS, leftovers)], site)


def _declare(items: Sequence[Component], site: Site) -> list[Step]:
    # Every target has another plan, so its operations are nobody else's.
    own = {each.name: items if each.name == site.target.name else [] for each in site.targets}
    return declare(own, site, key=site.target.name)


def _part(name: str, items: Sequence[Item]) -> Component:
    def remove(_: Site) -> None:
        for item in items:
            _remove(item)

    return _named(name, component()(remove))


def _rest(name: str, found: Plan) -> Component:
    """What is removed for all components together, after them."""

    def packages(site: Site) -> None:
        _remove_packages(found, site)

    def folders(_: Site) -> None:
        # Debian's packages take away their users with their data, if they still find these.
        for item in found.trees:
            _remove(item)
        _put_back(found)
        _remove_folders(found)
        ours = {item.name for item in found.removed if item.kind == "services"}
        for unit in dict.fromkeys(unit for item in found.removed for unit in _confined(item)):
            if unit not in ours:
                with noted(f"Service {unit} as it was before", alone=True) as label:
                    removing.restart_service(name=label, unit=unit)
        _settle()
        if found.whole:
            originals = [item.name for item in found.originals]
            with noted("Nothing that only served to deploy", alone=True) as label:
                removing.remove_traces(name=label, originals=originals, purge=found.purge)

    return _named(name, component()({"packages": packages, "folders": folders}[name]))


def _named(name: str, item: Component) -> Component:
    return replace(item, name=name, version=lambda _: "")


def _confined(item: Item) -> list[str]:
    """The unit whose drop-in a file is."""
    folder, _, name = item.name.rpartition("/")
    is_drop_in = item.kind == "files" and name == "chom.conf" and folder.endswith(".d")
    return [folder.rpartition("/")[2].removesuffix(".d")] if is_drop_in else []


def _settle() -> None:
    with noted("No service runs with what was removed", alone=True) as label:
        removing.settle_services(name=label)


def _remove(item: Item) -> None:
    """One thing, by what there is for its kind; what fails keeps nothing else from going."""
    what = _WORDS.get(item.kind, item.kind)
    with noted(f"No {what} {item.name}", alone=True, removes=item.resources) as label:
        match item.kind:
            case "services":
                removing.remove_service(name=label, unit=item.name)
            case "files":
                removing.remove_file(name=label, path=item.name)
            case "artifacts" | "data":
                removing.remove_tree(name=label, path=item.name)
            case "users":
                removing.remove_user(name=label, user=item.name)
            case "databases":
                removing.remove_database(name=label, database=item.name)
            case "database_users":
                removing.remove_database_user(name=label, user=item.name)
            case "firewall_rules":
                removing.remove_rule(name=label, rule=item.name)
            case kind:
                raise ValueError(f"nothing is known of how to remove {kind} ({item.name})")


def _remove_packages(found: Plan, site: Site) -> None:
    purged = sorted({item.name for item in found.purged})
    bared = sorted({item.name for item in found.bared})
    if not (purged or bared or found.whole):
        return
    gone = [each for item in found.packages for each in item.resources]
    remains = [
        ("remains", name, owner) for item in found.bared for _, name, owner in item.resources
    ]
    names = sorted([*purged, *bared])
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    with noted(f"No packages {shown}".strip(), alone=True, shared=remains, removes=gone) as label:
        uninstalling.remove_packages(
            name=label,
            purged=purged,
            removed=bared,
            whole=found.whole,
            last=found.whole and not found.kept,
            lock_timeout_s=site.settings.apt.lock_timeout_s,
        )


def _put_back(found: Plan) -> None:
    for item in found.originals:
        with noted(f"Original of {item.name}", alone=True, removes=item.resources) as label:
            removing.restore_original(name=label, path=item.name)


def _remove_folders(found: Plan) -> None:
    if found.folders:
        gone = [each for item in found.folders for each in item.resources]
        names = [item.name for item in found.folders]
        with noted(f"No empty folders ({len(names)})", alone=True, removes=gone) as label:
            removing.remove_folders(name=label, paths=names)
