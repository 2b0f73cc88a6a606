"""What stood on a host before: that which a deployment's own packages brought did not."""

import subprocess
from pathlib import Path

import pytest

from facts.existing import Existing

# The package of each file, as dpkg tells.
DPKG = """case "$1 $2" in
-L*) shift; for n; do echo "$FOLDER/of-$n"; done ;;
-W*) printf 'alloy\\nnginx\\nlib-a\\n' ;;
*/shared) echo "lib-a, lib-b:amd64: $2" ;;
*/mine|*/copy) exit 1 ;;
*) echo "$(basename "$2"): $2" ;;
esac"""


@pytest.mark.parametrize("kind", ["files", "originals"])
@pytest.mark.parametrize(
    ("brought", "before", "found"),
    [
        (None, None, ["alloy", "nginx", "mine", "shared", "copy"]),
        (["alloy"], None, ["nginx", "mine", "shared", "copy"]),
        (["alloy", "lib-a"], None, ["nginx", "mine", "copy"]),
        (["nginx"], None, ["alloy", "mine", "shared"]),
        # Cut off: what is installed now, and was not before, is ours.
        (["alloy"], ["nginx", "lib-a"], ["nginx", "mine", "shared", "copy"]),
        (None, ["lib-a"], ["mine", "shared"]),
    ],
)
def test_a_file_of_a_package_of_ours_is_nobody_elses(
    tmp_path: Path,
    kind: str,
    brought: list[str] | None,
    before: list[str] | None,
    found: list[str],
) -> None:
    texts = dict.fromkeys(("copy", "of-nginx"), "sample") | {"mine": "of me"}
    for name in ("alloy", "nginx", "mine", "shared", "copy", "of-alloy", "of-nginx"):
        (tmp_path / name).write_text(texts.get(name, "other!"))
    for name, packages in (("brought", brought), ("before", before)):
        if packages is not None:
            (tmp_path / f"packages.{name}").write_text("".join(f"{each}\n" for each in packages))
    (tmp_path / "dpkg-query").write_text(f"#!/bin/sh\n{DPKG}\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    names = ["alloy", "nginx", "mine", "shared", "copy", "gone"]
    asked = Existing().command([(kind, f"{tmp_path}/{name}") for name in names]).get_raw_value()
    done = subprocess.run(
        ["sh", "-c", asked.replace("/var/lib/chom", str(tmp_path))],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    answer = Existing().process(done.stdout.splitlines())
    assert answer == [(kind, f"{tmp_path}/{name}") for name in found]
