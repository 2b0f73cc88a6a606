"""Takes over what version 4 of the deployment left: its inventory, its secrets, its last state."""

from configs.migration.old_inventory import Migration, convert
from configs.migration.old_state import OldDeployment, OldTarget, read_old_state

__all__ = ["Migration", "OldDeployment", "OldTarget", "convert", "read_old_state"]
