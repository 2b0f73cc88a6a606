"""A public page of a target, as its visitors know it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """An application's page, or the portal.

    name: the application's. server_name: what it answers to, as Nginx has it. health: the path
    that answers 200 if it works. address: the target's, as a URL has it.
    """

    name: str
    server_name: str
    health: str
    address: str
    encrypted: bool

    @property
    def host_names(self) -> list[str]:
        """Its names, once each, without wildcards."""
        names = (name.lower() for name in self.server_name.split())
        return [
            name
            for name in dict.fromkeys(names)
            if name != "_" and "*" not in name and not name.startswith(".")
        ]

    @property
    def wildcards(self) -> list[str]:
        """Those of its names that a certificate can hold as they are."""
        names = self.server_name.lower().split()
        return [name for name in names if name.startswith("*.") and name.count("*") == 1]

    @property
    def host(self) -> str:
        """What visitors call it: by its first name, or else by its address."""
        return next(iter(self.host_names), self.address)

    @property
    def own_url(self) -> str:
        """A URL that its own machine answers for it, whatever the domain name system says."""
        anything = [name.replace("*.", "www.", 1) for name in self.wildcards]
        host = next(iter([*self.host_names, *anything]), self.address)
        return f"{'https' if self.encrypted else 'http'}://{host}"

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        return f"{'https' if self.encrypted else 'http'}://{self.host}"

    @property
    def answers_to_all(self) -> bool:
        """Whether whatever name somebody asks for is meant for it."""
        return self.server_name == "_"
