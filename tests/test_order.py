"""The house stands as drawn: floors import only floors above them, and inside a floor imports run one way."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [
    "words",
    "errors",
    "mail",
    "judge",
    "casework",
    "insight",
    "world",
    "learn",
    "desk",
    "operations",
    "demo",
    "cli",
]
PURE = ("mail", "judge", "casework", "insight")
EFFECTS = {
    "socket",
    "smtplib",
    "imaplib",
    "imapclient",
    "sqlalchemy",
    "subprocess",
    "requests",
    "httpx",
    "multiprocessing",
}


def modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "triage").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> set[str]:
    """Every module the file imports, also inside functions, as full names."""
    wanted = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            wanted |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return wanted


def floor(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "triage" and len(parts) > 1 and parts[1] in FLOORS else None


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_floor_imports_only_floors_above_it(module: str) -> None:
    here = floor(module)
    if here is None:
        assert module in ("triage", "triage.__main__") or module.startswith("triage.world.migrations"), (
            f"{module} is in no room of the house"
        )
        return
    below = {
        name for name in imports(modules()[module]) if (at := floor(name)) and FLOORS.index(at) > FLOORS.index(here)
    }
    assert not below, f"{module} imports from a floor below it: {sorted(below)}"


@pytest.mark.parametrize("name", FLOORS)
def test_inside_a_floor_imports_run_one_way(name: str) -> None:
    inside = {module: path for module, path in modules().items() if floor(module) == name}
    graph = {module: imports(path) & set(inside) - {module} for module, path in inside.items()}
    for package in [module for module, path in inside.items() if path.name == "__init__.py"]:
        graph[package] = set() if module_only_gathers(inside[package]) else graph[package]
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a cycle inside {name}: {' -> '.join(error.args[1])}")


def module_only_gathers(path: Path) -> bool:
    """A package's front door that only re-exports its rooms is no room itself."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr | ast.ImportFrom | ast.Import | ast.Assign) for node in body)


@pytest.mark.parametrize("module", sorted(m for m in modules() if floor(m) in PURE))
def test_a_pure_floor_touches_nothing_outside(module: str) -> None:
    touched = {name.split(".")[0] for name in imports(modules()[module])} & EFFECTS
    assert not touched, f"{module} decides, so it must not import {sorted(touched)}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "triage").rglob("*.py")) + sorted((ROOT / "flows").rglob("*.py")), ids=str
)
def test_a_file_is_one_room(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{path.name} has {lines} lines: it is more than one room"
