"""The files under docs/deploy say what the programs that read them understand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from triage import cli

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "docs" / "deploy"
UNITS = sorted(path for path in DEPLOY.iterdir() if path.suffix in (".service", ".timer"))


def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    """The program's path is replaced by one that is there; everything else is as it is shipped."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    copies = []
    for unit in UNITS:
        copies.append(tmp_path / unit.name)
        copies[-1].write_text(unit.read_text().replace("/opt/triage/bin/triage", shutil.which("true") or "/bin/true"))
    done = subprocess.run([program, "verify", *copies], capture_output=True, text=True, timeout=60)
    if "Failed to" in done.stderr and "runtime" in done.stderr.lower():
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()[:200]}")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_that_a_unit_or_the_crontab_calls_is_there() -> None:
    cli.load_commands()
    known = get_command(cli.app).commands  # type: ignore[attr-defined]
    called = []
    for path in [*UNITS, DEPLOY / "crontab"]:
        for words in re.findall(r"/opt/triage/bin/triage ((?:[^\s>|]+ ?)+)", path.read_text()):
            parts = [word for word in words.split() if not word.startswith(("/", "$"))]
            name = next(word for word in parts if not word.startswith("--"))
            options = {option for parameter in known[name].params for option in parameter.opts}
            wanted = {word for word in parts[parts.index(name) :] if word.startswith("--")}
            assert wanted <= options, (path.name, name, wanted - options)
            called.append(name)
    assert {"serve", "watchdog", "run", "backup"} <= set(called)


def test_prefect_yaml_names_flows_that_exist_and_every_flow_is_in_it() -> None:
    plan = YAML(typ="safe").load((ROOT / "docs" / "deploy" / "prefect.yaml").read_text())
    named = {entry["entrypoint"] for entry in plan["deployments"]}
    for entry in named:
        path, _, function = entry.partition(":")
        assert re.search(rf"^def {function}\(", (ROOT / path).read_text(), re.MULTILINE), entry
    flows = {
        f"flows/{path.name}:{name}"
        for path in (ROOT / "flows").glob("*.py")
        for name in re.findall(r"^@flow\(name=\"(\w+)\"", path.read_text(), re.MULTILINE)
    }
    assert named == flows


def compose() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text())
    return found


def test_everything_that_compose_refers_to_is_there() -> None:
    """Services that are waited for, secrets, volumes, and the files of the repository that are mounted or built from."""
    plan = compose()
    assert {*plan} <= {"services", "volumes", "secrets", "x-triage"}
    for name, service in plan["services"].items():
        assert ("build" in service) != ("image" in service), name
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in plan["services"][other], (name, other)
            else:
                assert how["condition"] == "service_completed_successfully" and other in plan["services"]
        assert {*service.get("secrets", [])} <= {*plan["secrets"]}, name
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in plan["volumes"] or (DEPLOY / source).resolve().exists(), (name, source)
        for value in service.get("environment", {}).values():
            assert isinstance(value, str), "a bare true or 1 is no string in YAML"
            if value.startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], (name, value)
        build = service.get("build")
        assert build is None or (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Containerfile"


def test_the_image_runs_commands_of_the_program_on_files_that_are_there_and_takes_no_secrets_along() -> None:
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    known = {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "VOLUME",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    assert {word for word, _ in steps} <= known
    assert dict(steps)["USER"] != "root"
    assert (json.loads(dict(steps)["ENTRYPOINT"]), json.loads(dict(steps)["CMD"])[0]) == (["triage"], "serve")
    assert "requirements.txt" in "".join(rest for word, rest in steps if word == "RUN")
    assert (ROOT / ".lock" / "requirements.txt").is_file()
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "secrets", "data"} <= {*ignored}


def test_compose_is_accepted_where_docker_is() -> None:
    program = shutil.which("docker")
    if program is None or subprocess.run([program, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    done = subprocess.run(
        [program, "compose", "-f", DEPLOY / "compose.yaml", "config", "--quiet"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
