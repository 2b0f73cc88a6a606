"""Certificates that certbot keeps: obtained once the names are seen to lead here; in use; gone."""

import shlex
from collections.abc import Sequence

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from facts.conditions import Condition, ConditionNow
from tasks.operations.commands import Commands
from tasks.tls.places import CHALLENGES
from tasks.upcoming import Upcoming

_ETC = "/etc/letsencrypt"
_DAY_S = 24 * 3600


@operation()
def obtain_certificate(
    lineage: str,
    host_names: Sequence[str],
    email: str,
    directory_url: str,
    webroot: str,
) -> Commands:
    """Have a certificate for exactly these names, from this ACME server, good for another day.

    ``lineage``: what certbot calls it. Nobody is asked before every name was seen to lead to
    this host: rejected requests count, and lock out for hours. Fails with what was seen, or with
    certbot's own words.
    """
    if host.get_fact(Condition, shell=_is_there(lineage, host_names, directory_url)):
        return
    names = " ".join(f"-d {shlex.quote(name)}" for name in host_names)
    # Not --quiet: that hides why a name was refused. It is asked only where a new one is needed,
    # so what there is must not keep it from that.
    certbot = (
        "certbot certonly --non-interactive --agree-tos --webroot --no-directory-hooks"
        f" --force-renewal --renew-with-new-domains --cert-name {shlex.quote(lineage)}"
        f" --email {shlex.quote(email)} --server {shlex.quote(directory_url)}"
        f" --webroot-path {shlex.quote(webroot)} {names}"
    )
    yield StringCommand(f"{reachable_script(host_names, webroot)}\n{certbot} >&2")


@operation()
def present(certificate: str, upcoming: Sequence[Upcoming]) -> Commands:
    """Have Nginx show what is in the file ``certificate``; it is reloaded if it shows another.

    ``upcoming``: the operations that may bring another; before they ran, a plan asks them.
    """
    shell = _is_shown(certificate)
    # A reload has ended before its new workers answer.
    soon = f"(n=0; until {shell}; do n=$((n + 1)); [ $n -lt 15 ] || exit 1; sleep 0.2; done)"
    planned = not state.is_executing and any(each.will_change for each in upcoming)
    if planned or not host.get_fact(ConditionNow, shell=soon):
        yield StringCommand(
            f"systemctl reload nginx || {{ nginx -t; exit 1; }}\n"
            f"end=$(($(date +%s) + 10))\n"
            f"until {shell}; do\n"
            f"  [ $(date +%s) -lt $end ] || {{ echo 'Nginx shows another certificate than"
            f" {certificate} at port 443: journalctl -u nginx says why' >&2; exit 1; }}\n"
            "  sleep 0.2\n"
            "done"
        )


@operation()
def forget_certificate(lineage: str, hook: str) -> Commands:
    """Have certbot no longer renew ``lineage``, nor reload Nginx by ``hook``."""
    renewal, script = f"{_ETC}/renewal/{lineage}.conf", shlex.quote(hook)
    if host.get_fact(Condition, shell=f"[ -e {renewal} ] || [ -e {script} ]"):
        delete = f"certbot delete --non-interactive --quiet --cert-name {lineage} >&2"
        yield StringCommand(f"{{ [ ! -e {renewal} ] || {delete}; }} && rm -f {script}")


def _is_there(lineage: str, host_names: Sequence[str], directory_url: str) -> str:
    """A shell command that succeeds if the certificate is what it should be."""
    file = f"{_ETC}/live/{lineage}/fullchain.pem"
    wanted = " ".join(sorted(f"DNS:{name}" for name in host_names))
    server = shlex.quote(f"server = {directory_url}")
    return (
        f"openssl x509 -in {file} -noout -checkend {_DAY_S}"
        f' && [ "$(openssl x509 -in {file} -noout -ext subjectAltName | grep -o "DNS:[^, ]*"'
        f' | LC_ALL=C sort | xargs)" = {shlex.quote(wanted)} ]'
        f" && grep -qxF {server} {_ETC}/renewal/{lineage}.conf"
    )


def _is_shown(certificate: str) -> str:
    """A shell command that succeeds if it is what port 443 shows."""
    sha256 = "openssl x509 -noout -fingerprint -sha256"
    return (
        '[ "$(timeout 5 openssl s_client -connect 127.0.0.1:443 -noservername </dev/null'
        f' 2>/dev/null | {sha256} 2>&1)" = "$({sha256} -in {shlex.quote(certificate)})" ]'
    )


def reachable_script(host_names: Sequence[str], webroot: str) -> str:
    """A shell script that fails unless every name leads to the folder ``webroot`` of this host.

    A name is looked up as the host does it; where its own list of hosts says that it is itself,
    as Debian's installer writes it there, DNS is asked. Every address must answer: the ACME
    server may take any.
    """
    folder = shlex.quote(f"{webroot}{CHALLENGES}")
    return f"""\
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')
proof={folder}chom-$token
mkdir -p {folder} && (umask 022 && printf %s "$token" > "$proof") || exit 1
trap 'rm -f "$proof"' EXIT
own=$(hostname -I | xargs | sed 's/ /, /g')
refuse() {{
  echo "$*; expected: an address of this server ($own, or one that is forwarded to it)," \\
    "which answers on port 80" >&2
  echo "do: let the DNS record of $name lead to this server, open port 80 before it, and deploy" \\
    "again. Nothing was asked of the ACME server; until then the page has a certificate of its" \\
    "own." >&2
  exit 1
}}
lookup() {{ getent "$@" ahosts "$name" | awk '$1 !~ /^127\\.|^::1$/ {{print $1}}' | sort -u; }}
for name in {shlex.join(host_names)}; do
  addresses=$(lookup)
  [ -n "$addresses" ] || addresses=$(lookup -s dns)
  [ -n "$addresses" ] || refuse "$name resolves to no address"
  for address in $addresses; do
    case $address in *:*) at="[$address]" ;; *) at=$address ;; esac
    url="http://$name{CHALLENGES}chom-$token"
    # Nginx may just have been reloaded, and an old worker answer once more.
    for attempt in 1 2 3 4; do
      answer=$(curl -sS -m 10 --noproxy '*' --resolve "$name:80:$at" \\
        -w ' (status %{{http_code}})' "$url" 2>&1 | tr -s '\\n\\0' ' ' | head -c 300)
      [ "$answer" != "$token (status 200)" ] || break
      sleep 1
    done
    [ "$answer" = "$token (status 200)" ] || refuse "$name resolves to $address, where $url did" \\
      "not give what this server has there: ${{answer% }}"
  done
done"""
