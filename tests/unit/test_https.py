"""HTTPS, mode by mode: what would be deployed, what is refused, and the scripts themselves."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from configs import ConfigurationError, Target
from configs.problems import Problem
from configs.secrets import random_value
from tasks.grafana.places import PATH as GRAFANA_PATH
from tasks.operations.certificates import reachable_script
from tasks.stacks import addresses, needed_secrets
from tasks.tls.own import own_certificate
from tests.unit.helpers import INVENTORY, configuration, fake_state
from tests.unit.hosting import server, servers
from tests.unit.test_scripts import sh, stub
from tests.unit.test_stacks import Declaration, spy_on_texts

NAMES = ("shop.example.org", "10.9.0.21", "fd00::21")
APP = "/etc/nginx/sites-enabled/apps.conf"
PORTAL = "/etc/nginx/sites-enabled/portal.conf"
TARGETS = "/etc/prometheus-server/targets/blackbox_exporter.yml"
LETSENCRYPT = (
    "tls: {mode: letsencrypt, email: ops@example.org}, "
    "apps: {laravel: {domain: shop.example.org www.example.org}}, "
    "portal: {server_name: watch.example.org}"
)
WHO = x509.SubjectAlternativeName
ROLES = ("observability", "vpsmanager")
Deployed = dict[str, "tuple[Declaration, dict[str, str]]"]
Declare = Callable[[str], Deployed]


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """What a target of each role gets with more settings: its declaration, its texts by path."""

    def declared(settings: str) -> Deployed:
        begin = f"settings: {{{settings}, " if settings else "settings: {"
        text = INVENTORY.replace("settings: {", begin)
        found: Deployed = {}
        for role in ROLES:
            with monkeypatch.context() as patch:
                texts = spy_on_texts(patch)
                found[role] = Declaration(fake_state([role]), role, tmp_path, text), texts
        return found

    return declared


def labels(declaration: Declaration) -> list[str]:
    return [each.label for step in declaration.steps for each in step.operations]


def targets(text: str) -> dict[str, dict[str, str]]:
    return {each["targets"][0]: each["labels"] for each in yaml.safe_load(text)}


def test_without_it_nothing_of_it_is_deployed(declare: Declare, tmp_path: Path) -> None:
    found = declare("")
    needed = needed_secrets(configuration(tmp_path).targets.values())
    assert not [need.name for need in needed if need.kind == "tls_key"]
    for declaration, texts in found.values():
        assert "Firewall: ufw allow 443/tcp" not in labels(declaration)
        assert not [path for path in texts if path.startswith("/etc/chom/tls")]
        assert not [line for line in labels(declaration) if "Link" in line]
    for text in (found["vpsmanager"][1][APP], found["observability"][1][PORTAL]):
        assert text.count("server {") == 1
        assert "listen 80 default_server;" in text and "server_name _;" in text
        assert "443" not in text and "return 30" not in text.replace("return 301 /grafana/", "")
    assert set(targets(found["observability"][1][TARGETS])) == {"http://10.9.0.21/up"}
    assert "APP_URL=http://10.9.0.21\n" in found["vpsmanager"][1][
        "/var/www/laravel/shared/.env"
    ].replace('"', "")
    assert "cookie_secure" not in found["observability"][1]["/etc/grafana/grafana.ini"]


@pytest.mark.parametrize("settings", ["tls: {mode: selfsigned}", LETSENCRYPT])
def test_both_pages_are_served_by_https(declare: Declare, settings: str) -> None:
    found = declare(settings)
    for declaration, texts in found.values():
        [page] = declaration.site.target.pages
        names = page.server_name
        site = texts[APP] if APP in texts else texts[PORTAL]
        plain, secure = server(site, page.address), server(site, names, 443)
        assert "return 308 https://$host$request_uri;" in plain
        assert "ssl_protocols TLSv1.2 TLSv1.3;" in secure and "http2 on;" in secure
        assert "ssl_certificate /etc/chom/tls/live/fullchain.pem;" in secure
        asks = "location ^~ /.well-known/acme-challenge/" in plain
        assert asks == (settings == LETSENCRYPT)
        # Whoever sets one header in a block loses those of the blocks around it.
        headers = re.findall(r"^    add_header (\S+)", secure, flags=re.M)
        strict = ["X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"]
        assert headers == ([*strict, "Strict-Transport-Security"] if asks else [])
        assert "Firewall: ufw allow 443/tcp" in labels(declaration)
        steps = [each.component for each in declaration.steps]
        assert steps.index("tls") < steps.index("nginx") < steps.index("certificate")
    portal = found["observability"][1][PORTAL]
    assert portal.count("location = /healthz") == len(servers(portal)) == 3
    assert "cookie_secure = true" in found["observability"][1]["/etc/grafana/grafana.ini"]
    assert "SESSION_SECURE_COOKIE=true" in found["vpsmanager"][1]["/var/www/laravel/shared/.env"]


def test_each_target_has_a_certificate_of_its_own(declare: Declare) -> None:
    found = declare("tls: {mode: selfsigned}, apps: {laravel: {domain: shop.example.org}}")
    shown = [texts["/etc/chom/tls/own/fullchain.pem"] for _, texts in found.values()]
    certificates = [x509.load_pem_x509_certificate(each.encode()) for each in shown]
    names = [
        {str(name.value) for name in each.extensions.get_extension_for_class(WHO).value}
        for each in certificates
    ]
    assert names == [{"10.9.0.11"}, {"shop.example.org", "10.9.0.21"}]
    assert certificates[0].public_key() != certificates[1].public_key()


def test_probes_trust_each_page_as_they_should(declare: Declare, tmp_path: Path) -> None:
    own = "tls: {mode: selfsigned}, apps: {laravel: {domain: shop.example.org}}"
    declared = declare(own)["observability"][0].site
    assert [page.url for each in declared.targets for page in each.pages] == [
        "https://10.9.0.11",
        "https://shop.example.org",
    ]
    for settings, module in ((own, "http_2xx_own"), (LETSENCRYPT, "http_2xx")):
        _, texts = declare(settings)["observability"]
        modules = yaml.safe_load(texts["/etc/chom/blackbox.yml"])["modules"]
        found = targets(texts[TARGETS])
        assert {labels["app"] for labels in found.values()} == {"portal", "laravel"}
        assert {labels["__param_module"] for labels in found.values()} == {module}
        assert ("http_2xx_own" in modules) == (settings == own)
        assert "tls_config" not in modules["http_2xx"]["http"]
        if settings == own:
            trusted = modules[module]["http"]["tls_config"]
            assert trusted == {"ca_file": "/etc/chom/blackbox.crt"}
            assert texts["/etc/chom/blackbox.crt"].count("BEGIN CERTIFICATE") == 2


def test_the_key_is_in_a_file_of_roots_alone(declare: Declare) -> None:
    for declaration, texts in declare("tls: {mode: selfsigned}").values():
        name = declaration.site.target.name.upper()
        key = declaration.site.secrets[f"PAGE_TLS_KEY_{name}"].reveal()
        assert [path for path, text in texts.items() if key in text] == [
            "/etc/chom/tls/own/privkey.pem"
        ]


def test_names_are_in_all_that_is_told_of_the_pages(declare: Declare) -> None:
    found = declare(LETSENCRYPT)
    (observability, texts), (vpsmanager, its) = found["observability"], found["vpsmanager"]
    assert addresses(observability.site)[:2] == [
        "https://watch.example.org/",
        f"https://watch.example.org{GRAFANA_PATH}/",
    ]
    assert addresses(vpsmanager.site) == ["https://shop.example.org/"]
    assert "https://shop.example.org" in its["/var/www/laravel/shared/.env"]
    assert (
        "domain = watch.example.org\nroot_url = https://%(domain)s/grafana/\n"
        in (texts["/etc/grafana/grafana.ini"])
    )
    assert set(targets(texts[TARGETS])) == {
        "https://watch.example.org/healthz",
        "https://shop.example.org/up",
    }
    assert "Certificate for shop.example.org, www.example.org" in labels(vpsmanager)
    assert "Timer certbot" in labels(vpsmanager)


def test_each_target_has_a_mode_of_its_own(declare: Declare, tmp_path: Path) -> None:
    text = INVENTORY.replace(
        "address: 10.9.0.21", "address: 10.9.0.21, settings: {tls: {mode: selfsigned}}"
    )
    found = configuration(tmp_path, text).targets
    assert [each.encrypted for each in found.values()] == [False, True]
    needed = {need.name for need in needed_secrets(found.values())}
    assert {name for name in needed if name.startswith("PAGE")} == {"PAGE_TLS_KEY_VPSMANAGER"}


@pytest.mark.parametrize("written", ["off", "false", '"off"'])
def test_a_bare_off_is_understood(tmp_path: Path, written: str) -> None:
    text = INVENTORY.replace("settings: {", f"settings: {{tls: {{mode: {written}}}, ")
    target = configuration(tmp_path, text).targets["vpsmanager"]
    assert (target.settings.tls.mode, target.encrypted) == ("off", False)


def refused(folder: Path, settings: str) -> list[Problem]:
    text = INVENTORY.replace("settings: {", f"settings: {{{settings}, ")
    with pytest.raises(ConfigurationError) as refusal:
        configuration(folder, text)
    return refusal.value.problems


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ('"_"', "every name"),
        ("10.9.0.21", "the bare address 10.9.0.21"),
        ("'*.example.org'", "the wildcard *.example.org"),
        ("shop.example.org 10.9.0.21", "the bare address 10.9.0.21"),
        ("shop", "shop, a name without a domain"),
        (".example.org", ".example.org, which is no host name"),
        ("a..b", "a..b, which is no host name"),
        ("-a.example.org", "-a.example.org, which is no host name"),
    ],
)
def test_names_that_no_certificate_is_given_for(tmp_path: Path, name: str, found: str) -> None:
    tls = "tls: {mode: letsencrypt, email: ops@example.org}"
    [problem] = refused(
        tmp_path,
        f"{tls}, apps: {{laravel: {{domain: {name}}}}}, portal: {{server_name: a.example.org}}",
    )
    assert problem.key == "settings.apps.laravel.domain"
    assert f"tls.mode is letsencrypt, which gives no certificate for {found}" in problem.found
    assert "anyone can look up" in problem.expected and "selfsigned" in problem.remedy


def test_an_account_needs_an_address(tmp_path: Path) -> None:
    [problem] = refused(tmp_path, LETSENCRYPT.replace(", email: ops@example.org", ""))
    assert problem.key == "settings.tls.mode"
    assert problem.found.startswith('"letsencrypt", which wants to know who asks')
    assert "tls.email is nothing (null)" in problem.found
    assert "email address" in problem.expected and "tls.email" in problem.remedy


def test_the_one_who_wrote_nothing_is_not_sent_to_the_defaults(tmp_path: Path) -> None:
    problems = refused(tmp_path, "tls: {mode: letsencrypt, email: ops@example.org}")
    assert {(Path(each.file).name, each.key) for each in problems} == {
        ("inventory.yaml", "settings.tls.mode")
    }
    assert sorted(re.findall(r"and (\S+) is", " ".join(each.found for each in problems))) == [
        "apps.laravel.domain",
        "portal.server_name",
    ]


def test_what_is_no_mode(tmp_path: Path) -> None:
    [problem] = refused(tmp_path, "tls: {mode: true}")
    assert (problem.key, problem.found) == ("settings.tls.mode", "true")
    assert problem.expected == "off, selfsigned or letsencrypt"


def test_a_certificate_is_made_of_its_key_and_names_alone() -> None:
    key, other = random_value("tls_key"), random_value("tls_key")
    first = own_certificate(key, NAMES)
    own_certificate.cache_clear()
    assert own_certificate(key, NAMES) == first != own_certificate(other, NAMES)
    renamed = own_certificate(key, NAMES[:1])
    one, two = (x509.load_pem_x509_certificate(each.encode()) for each in (first, renamed))
    assert one.serial_number != two.serial_number
    one.verify_directly_issued_by(one)
    names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example.org"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address(each) for each in NAMES[1:]]
    assert not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_certificate_takes_long_names_and_no_other_keys() -> None:
    long = f"{'a' * 60}.example.org"
    made = x509.load_pem_x509_certificate(
        own_certificate(random_value("tls_key"), (long,)).encode()
    )
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [long]
    with pytest.raises(ValueError, match="ECDSA"):
        own_certificate(random_value("private_key"), NAMES)


def _reached(folder: Path, lookups: str, curl: str) -> "tuple[int, str]":
    """Exit code and words of the script, for a host that looks names up and answers so."""
    programs = {"getent": lookups, "curl": curl, "hostname": "echo 10.9.0.21", "sleep": ""}
    path = stub(folder, programs)
    done = sh(
        f"{reachable_script(['shop.example.org'], str(folder / 'acme'))}\necho asked",
        PATH=path,
        WEBROOT=str(folder / "acme"),
    )
    left = list((folder / "acme" / ".well-known" / "acme-challenge").iterdir())
    assert left == []
    return done.returncode, done.stdout + done.stderr


# What the server at the address that it is given would answer: the file of the URL's name.
SERVES = """\
for url; do :; done
cat "$WEBROOT/.well-known/acme-challenge/${url##*/}"; printf ' (status 200)'"""


def test_a_name_that_leads_here_is_asked_for(tmp_path: Path) -> None:
    code, text = _reached(tmp_path, "echo 10.9.0.21 STREAM shop.example.org", SERVES)
    assert (code, text) == (0, "asked\n")


def test_a_list_of_hosts_that_hides_dns_is_passed_over(tmp_path: Path) -> None:
    lookups = '[ "$1" != -s ] && echo 127.0.1.1 STREAM || echo 10.9.0.21 STREAM'
    assert _reached(tmp_path, lookups, SERVES) == (0, "asked\n")


def test_every_address_of_a_name_must_answer(tmp_path: Path) -> None:
    curl = f"case \"$*\" in *'80:[fd00::9]'*) echo refused; exit 7;; esac\n{SERVES}"
    lookups = "echo 10.9.0.21 STREAM; echo fd00::9 STREAM"
    code, text = _reached(tmp_path, lookups, curl)
    assert code == 1 and "shop.example.org resolves to fd00::9, where http://shop" in text
    assert "refused; expected: an address of this server (10.9.0.21" in text
    assert "do: let the DNS record" in text and "asked\n" not in text


def test_a_name_without_an_address_is_named(tmp_path: Path) -> None:
    code, text = _reached(tmp_path, "exit 2", SERVES)
    assert code == 1 and "shop.example.org resolves to no address" in text
    assert "asked\n" not in text


def test_the_page_of_somebody_else_is_not_taken_for_ours(tmp_path: Path) -> None:
    code, text = _reached(tmp_path, "echo 10.9.9.9", "printf 'It works! (status 200)'")
    assert code == 1 and "resolves to 10.9.9.9" in text and "It works!" in text


def test_a_page_is_called_by_its_first_name(tmp_path: Path) -> None:
    def target(name: str) -> Target:
        text = INVENTORY.replace(
            "settings: {", f"settings: {{apps: {{laravel: {{domain: {name}}}}}, "
        )
        return configuration(tmp_path, text).targets["vpsmanager"]

    assert target("'*.example.org Shop.example.org shop.example.org'").host_names == [
        "shop.example.org"
    ]
    assert target("'*.example.org'").page("laravel").url == "http://10.9.0.21"
    assert target("shop.example.org").page("laravel").url == "http://shop.example.org"
