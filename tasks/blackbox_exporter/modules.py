"""How the blackbox exporter looks at a page: whose certificates it trusts, by module."""

# Those of the public authorities; those that targets have signed themselves, and no others.
PUBLIC, OWN = "http_2xx", "http_2xx_own"
