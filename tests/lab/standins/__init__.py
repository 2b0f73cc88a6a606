"""Stand-ins for programs that the lab cannot download: small, and plainly not the real ones.

`programs/` is what they do; each of the other folders is one package, its files in the places
where they are installed. A machine gets its own copy of `programs/` with each package, so these
modules import each other by their relative names and nothing of the lab.
"""
