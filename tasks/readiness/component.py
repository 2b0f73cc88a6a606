"""The services that nothing needed so far are ready: started one by one, awaited together."""

from tasks.component import Site, component
from tasks.resources import services_ready


@component(needs=["base"])
def readiness(_: Site) -> None:
    """Some take many seconds, in which the others were set up."""
    services_ready()
