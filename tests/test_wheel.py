"""What a user installs: the built wheel has everything inside, under one name, and works from outside a checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    return next(place.glob("complaint_triage-*.whl"))


def test_the_wheel_has_flows_config_and_model_inside_and_no_generic_name_at_the_top(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"triage", next(top for top in tops if top.endswith(".dist-info"))}
    for wanted in (
        "triage/flows/intake.py",
        "triage/config/routing.yaml",
        "triage/models/current",
        "triage/demo/mails.jsonl",
    ):
        assert wanted in names
    model = zipfile.ZipFile(wheel).read("triage/models/current").decode().strip()
    assert f"triage/models/{model}/card.json" in names


def test_the_unpacked_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    mail = tmp_path / "one.eml"
    mail.write_bytes(
        b"From: a@example.com\r\nTo: care@shop.example\r\nSubject: Parcel\r\n\r\nMy parcel never came, where is it?\r\n"
    )
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.argv = ['triage', *sys.argv[2:]]\n"
        "import triage; assert triage.__file__.startswith(sys.path[0]), triage.__file__\n"
        "import triage.flows.cycle\nfrom triage.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site"), "--data", str(tmp_path / "data"), "classify", str(mail)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "one.eml" in done.stdout
