"""What is written in a language comes back from the program that reads it, whatever it is."""

import base64
import hashlib
import json
import re

import pytest

from tasks import quoting
from tests import nasty
from tests.e2e.machines import REDIS
from tests.e2e.platform import Platform

VALUES = nasty.values(300)
NAMES = [f"V{number}" for number in range(len(VALUES))]
PAIRS = list(zip(NAMES, VALUES, strict=True))
PHP_DOTENV = """\
require '/usr/share/php/Dotenv/autoload.php';
foreach (Dotenv\\Dotenv::parse(file_get_contents($argv[1])) as $value) echo $value, "\\0";
"""
PHP_LARAVEL = """\
require '/usr/share/php/Illuminate/Support/autoload.php';
require '/usr/share/php/Dotenv/autoload.php';
use Illuminate\\Support\\Env;
$read = Dotenv\\Dotenv::create(Env::getRepository(), dirname($argv[1]), basename($argv[1]))->load();
foreach (array_keys($read) as $name) {
    if (!is_string($value = Env::get($name))) exit("$name is not text");
    echo $value, "\\0";
}
"""
# Of Redis and MariaDB, hexadecimal digits of a value, and of a NUL after it.
LUA_HEX = "return ARGV[1]:gsub('.', function(c) return ('%02X'):format(c:byte()) end) .. '00'"
FROM_HEX = "tr -d '\\n' | basenc --base16 -d"
REDIS_SERVER = """\
timeout 30 redis-server "$f" --port 0 --unixsocket "$d/socket" --dir "$d" --save "" >&2 &
ask="redis-cli -s $d/socket"
for i in $(seq 100); do $ask ping >&2 && break; sleep 0.1; done
$ask ACL LIST | tr '\\n' '\\0'
$ask SHUTDOWN NOSAVE
wait
"""
UNIT = "/run/systemd/system/quoting.service"
UNIT_OUTPUT = "/run/quoting"
RUN_UNIT = f"""\
trap 'rm -rf "$d" {UNIT} {UNIT_OUTPUT}; systemctl daemon-reload' EXIT
cp "$f" {UNIT}
systemctl daemon-reload
systemctl start quoting
cat {UNIT_OUTPUT}
"""


def read_back(
    platform: Platform, document: str, reader: str, machine: str = "vpsmanager"
) -> list[str]:
    """The values that ``reader``, a script, prints of the document in ``$f``, a NUL after each."""
    script = f"""\
set -eu -o pipefail
d=$(mktemp -d /tmp/quoting.XXXXXX)
trap 'rm -rf "$d"' EXIT
f=$d/document
cat > "$f"
(
{reader}
) | base64 -w0
"""
    done = platform.lab.run(machine, f"bash -c {quoting.shell(script)}", input=document)
    *found, rest = base64.b64decode(done.stdout).decode().split("\0")
    assert rest == ""
    return found


@pytest.mark.parametrize("program", ["dash", "bash"])
def test_shell(deployed: Platform, program: str) -> None:
    script = " ".join(["printf '%s\\0'", *map(quoting.shell, VALUES)])
    assert read_back(deployed, script, f'{program} "$f"') == VALUES


def test_yaml_in_prometheus(deployed: Platform) -> None:
    labels = ", ".join(f"{name}: {quoting.yaml(value)}" for name, value in PAIRS)
    config = f"""\
scrape_configs:
  - job_name: quoting
    static_configs:
      - targets: [localhost]
        labels: {{{labels}}}
"""
    promtool = (
        "set -- /opt/prometheus/*/promtool\n"
        '"$1" check service-discovery --timeout=2s "$f" quoting; printf \'\\0\''
    )
    (shown,) = read_back(deployed, config, promtool, "observability")
    (target,) = json.loads(shown)
    # To Prometheus, an empty label is the same as none.
    assert [target["discoveredLabels"].get(name, "") for name in NAMES] == VALUES


def test_dotenv_in_php(deployed: Platform) -> None:
    lines = "".join(f"{name}={quoting.dotenv(value)}\n" for name, value in PAIRS)
    assert read_back(deployed, lines, f'php -r {quoting.shell(PHP_DOTENV)} "$f"') == VALUES


def test_dotenv_in_laravel(deployed: Platform) -> None:
    lines = "".join(f"{name}={quoting.laravel_env(value)}\n" for name, value in PAIRS)
    assert read_back(deployed, lines, f'php -r {quoting.shell(PHP_LARAVEL)} "$f"') == VALUES


def test_option_file_of_mariadb(deployed: Platform) -> None:
    groups = "".join(f"[{name}]\nx={quoting.option_file(value)}\n" for name, value in PAIRS)
    reader = (
        f"for group in {' '.join(NAMES)}; do"
        " my_print_defaults --defaults-file=\"$f\" $group; printf '\\0'; done"
    )
    assert read_back(deployed, groups, reader) == [f"--x={value}\n" for value in VALUES]


def test_sql_in_mariadb(deployed: Platform) -> None:
    queries = "".join(f"select hex(concat({quoting.sql(value)}, '\\0'));\n" for value in VALUES)
    reader = f'mariadb --default-character-set=utf8mb4 -N < "$f" | {FROM_HEX}'
    assert read_back(deployed, queries, reader) == VALUES


def test_command_of_redis(deployed: Platform) -> None:
    script = quoting.redis(LUA_HEX)
    lines = "".join(f"EVAL {script} 0 {quoting.redis(value)}\n" for value in VALUES)
    login = 'REDISCLI_AUTH="$(cat /etc/chom/redis/password)"'
    reader = f'{login} redis-cli -s {REDIS} --user chom --no-auth-warning < "$f" | {FROM_HEX}'
    assert read_back(deployed, lines, reader) == VALUES


END = "<end of a value>"


def test_options_of_curl(deployed: Platform) -> None:
    """As what it writes out by itself, for each of many pages that are no more than a file."""
    options = "next\n".join(
        # A first @ would name a file.
        f"""url = "file:///dev/null"
write-out = {quoting.curl("%{stdout}" + _without_variables(value) + END)}
"""
        for value in VALUES
    )
    reader = f"""curl -sS -K "$f" | sed -z 's/{END}/\\x00/g'"""
    assert read_back(deployed, options, reader) == [_written_out(value) for value in VALUES]


def _without_variables(value: str) -> str:
    """With each % that would name one twice; a backslash before it does as well."""
    return re.sub(r"\\.|%", lambda it: "%%" if it[0] == "%" else it[0], value, flags=re.DOTALL)


def _written_out(value: str) -> str:
    """What curl makes of a value once it has read it: it knows three sequences."""
    known = {"\\n": "\n", "\\r": "\r", "\\t": "\t"}
    return re.sub(r"\\.", lambda found: known.get(found[0], found[0]), value, flags=re.DOTALL)


def test_configuration_of_redis(deployed: Platform) -> None:
    """As passwords of users, of which a server of this configuration tells the SHA-256."""
    users = "".join(f"user {name} on {quoting.redis('>' + value)}\n" for name, value in PAIRS)
    listed = {line.split()[1]: line.split() for line in read_back(deployed, users, REDIS_SERVER)}
    hashes = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in PAIRS}
    assert {name for name in NAMES if f"#{hashes[name]}" not in listed[name]} == set()


def test_environment_file_of_systemd(deployed: Platform) -> None:
    lines = "".join(f"{name}={quoting.systemd(value)}\n" for name, value in PAIRS)
    reader = 'systemd-run --wait --pipe --quiet -p EnvironmentFile="$f" env -0'
    found = dict(each.split("=", 1) for each in read_back(deployed, lines, reader))
    assert [found[name] for name in NAMES] == VALUES


def test_unit_file_of_systemd(deployed: Platform) -> None:
    words = " ".join(map(quoting.systemd_unit, ["%s\\0", *VALUES]))
    unit = f"""\
[Service]
Type=oneshot
StandardOutput=file:{UNIT_OUTPUT}
ExecStart=printf {words}
"""
    assert read_back(deployed, unit, RUN_UNIT) == VALUES
