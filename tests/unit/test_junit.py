"""JUnit's XML, read back as CI systems read it."""

from datetime import UTC, datetime
from xml.etree import ElementTree

from state.junit import Suite, suites, to_xml
from state.record import Check, Component, Error, Record, Target
from tasks.preflight import Finding
from tests.unit.test_record import record as blank

SECRET = "hunter2hunter2"
AT = datetime(2026, 11, 24, 5, 47, 20, tzinfo=UTC)
UNREACHABLE = Error(stage="connect", message="timed out", remedy="see that it is up")
MEMORY = Finding("memory", "1 MB", "at least 900 MB", "take a larger server")
SPECS = Finding("specs.cpu", "2 detected", "7", "correct the inventory", warning=True)


def read(found: list[Suite]) -> dict[str, dict[str, tuple[str, str]]]:
    """Suite → case → its outcome and the text of it; the counts are those of the cases."""
    document = to_xml(found, AT, lambda text: text.replace(SECRET, "[secret PASSWORD]"))
    root = ElementTree.fromstring(document)
    assert root.tag == "testsuites" and document.startswith('<?xml version="1.0"')
    result: dict[str, dict[str, tuple[str, str]]] = {}
    for suite in root:
        assert suite.tag == "testsuite" and suite.attrib["timestamp"] == "2026-11-24T05:47:20"
        cases: dict[str, tuple[str, str]] = {}
        for case in suite:
            assert case.tag == "testcase" and set(case.attrib) == {"name", "classname", "time"}
            assert case.attrib["classname"].replace(".", " ") == suite.attrib["name"]
            assert float(case.attrib["time"]) >= 0
            ended = [each for each in case if each.tag in ("failure", "skipped")]
            text = (ended[0].text or ended[0].attrib["message"]) if ended else ""
            cases[case.attrib["name"]] = (ended[0].tag if ended else "passed", text)
        outcomes = [outcome for outcome, _ in cases.values()]
        assert int(suite.attrib["tests"]) == len(suite) == len(cases)
        assert int(suite.attrib["failures"]) == outcomes.count("failure")
        assert int(suite.attrib["skipped"]) == outcomes.count("skipped")
        result[suite.attrib["name"]] = cases
    for count in ("tests", "failures", "skipped"):
        assert int(root.attrib[count]) == sum(int(each.attrib[count]) for each in root)
    return result


def deployment(**components: Component) -> Record:
    record = blank()
    record.targets = {"web": Target(role="web", address="10.0.0.1", components=components)}
    return record


def test_all_is_well() -> None:
    php = Component(
        status="completed",
        changed=3,
        started_at="2026-11-24T05:47:20Z",
        completed_at="2026-11-24T05:48:25Z",
    )
    checks = {"web": [Check(name="every rule evaluates"), Check(name="Grafana is healthy")]}
    found = suites(["web"], {}, {"web": [SPECS]}, checks, deployment(php=php))
    assert read(found) == {
        "web preflight": {
            "connection": ("passed", ""), "specs.cpu": ("passed", ""), "machine": ("passed", "")
        },
        "web deploy": {"php": ("passed", "")},
        "web verify": {
            "every rule evaluates": ("passed", ""), "Grafana is healthy": ("passed", "")
        },
    }  # fmt: skip
    assert 'name="php" classname="web.deploy" time="65.000"' in to_xml(found, AT, str)


def test_who_could_not_be_connected_to_failed() -> None:
    found = read(suites(["web"], {"web": UNREACHABLE}, {}, {}, None))
    assert found["web preflight"]["connection"] == ("failure", "timed out\ndo: see that it is up")
    assert found["web preflight"]["machine"][0] == "skipped"
    assert found["web verify"]["verification"] == ("skipped", "the target failed before")


def test_a_machine_that_is_not_fit_tells_found_expected_and_remedy() -> None:
    error = Error(stage="preflight", message=str(MEMORY), remedy=MEMORY.remedy)
    found = read(suites(["web"], {"web": error}, {"web": [MEMORY, SPECS]}, {}, None))
    text = "memory: found 1 MB, expected at least 900 MB\ndo: take a larger server"
    assert found["web preflight"] == {
        "connection": ("passed", ""), "memory": ("failure", text), "specs.cpu": ("passed", "")
    }  # fmt: skip


def test_what_went_wrong_before_the_checks_fails_them() -> None:
    error = Error(stage="preflight", message="sudo: refused", remedy="give the password")
    found = read(suites(["web"], {"web": error}, {}, {}, None))
    text = "sudo: refused\ndo: give the password"
    assert found["web preflight"]["preparation"] == ("failure", text)


def test_a_failed_component_and_a_failed_check() -> None:
    error = Error(
        stage="deploy", message="its command failed", component="nginx", output=["bind: in use"]
    )
    record = deployment(
        nginx=Component(status="failed"), logs=Component(status="skipped", reason="not completed")
    )
    checks = {"web": [Check(name="logs arrive", problem="none came", remedy="look at alloy")]}
    found = read(suites(["web"], {"web": error}, {"web": []}, checks, record))
    assert found["web deploy"] == {
        "nginx": ("failure", "its command failed\nbind: in use"),
        "logs": ("skipped", "not completed"),
    }
    assert found["web verify"] == {"logs arrive": ("failure", "none came\ndo: look at alloy")}


def test_whatever_a_host_says_the_document_can_be_read_and_tells_no_secret() -> None:
    said = f"\x00\x1b[31mred\x1b[0m <b>&amp; ]]> \ud800 \ufffe {SECRET}"
    checks = {"web": [Check(name=f"it says {SECRET}", problem=said, remedy=said)]}
    found = read(suites(["web"], {}, {"web": []}, checks, None))
    line = "red <b>&amp; ]]>   [secret PASSWORD]"
    assert found["web verify"] == {
        "it says [secret PASSWORD]": ("failure", f"{line}\ndo: {line}")
    }  # fmt: skip
