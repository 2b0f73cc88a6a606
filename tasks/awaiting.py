"""Services that are started now, and awaited together with others later."""

from tasks.component import stage

# The component that waits for all of them.
READINESS = "readiness"


def is_awaited_later() -> bool:
    """Whether a service of the component that is being declared now may get ready meanwhile.

    So it is unless another component needs it before all are awaited, or nobody awaits them.
    """
    here = stage()
    names = [item.name for item in here.stack]
    if READINESS not in names:
        return False
    before = here.stack[: names.index(READINESS)]
    name = here.component.name
    return name in names[: len(before)] and not any(name in item.needs for item in before)
