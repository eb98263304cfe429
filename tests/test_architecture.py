"""Who may import whom, read from the sources and compared with the table of ARCHITECTURE.md."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ALLOWED = {
    "errors": set(),
    "directions": set(),
    "precision": set(),
    "stopping": set(),
    "torchvision_guard": set(),
    "config": {"errors", "methods"},
    "original_recipes": {"config"},
    "presets": {"errors", "config", "data", "original_recipes"},
    "etf": {"errors"},
    "class_means": {"errors", "precision"},
    "losses": {"errors", "directions", "precision"},
    "data": {"errors", "torchvision_guard"},
    "glove": {"errors"},
    "metrics": {"errors", "etf", "class_means"},
    "models": {"errors", "directions", "precision", "etf", "glove", "torchvision_guard"},
    "methods": {"errors", "etf", "class_means", "losses", "data", "metrics", "models"},
    "store": {"errors", "config"},
    "training": {
        "errors",
        "config",
        "presets",
        "etf",
        "class_means",
        "losses",
        "data",
        "glove",
        "methods",
        "metrics",
        "models",
        "store",
        "folder_lock",
    },
    "analysis": {"errors", "config", "methods", "store", "data", "etf", "metrics"},
    "plugins": {"errors"},
    "launch": {"errors", "config", "presets", "store", "data", "glove", "plugins"},
    "toys": {"errors", "etf", "metrics"},
    "app": {"config", "presets", "store", "analysis", "toys", "launch", "errors"},
}
FORBIDDEN = {"mlcnc": {"streamlit", "plotly"}, "app": {"torch", "torchvision", "umap"}}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def sources():
    return sorted([*(ROOT / "mlcnc").rglob("*.py"), *(ROOT / "app").rglob("*.py")])


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_table(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    own = parts[1] if parts[0] == "mlcnc" else "app"
    for name in imports(path):
        package = name.split(".")[0]
        assert package not in FORBIDDEN[parts[0]], name
        assert package != "torchvision", "import it through torchvision_guard.py"
        if package == "app":
            assert parts[0] == "app", name
        if package == "mlcnc" and own in ALLOWED and name.count("."):
            target = name.split(".")[1]
            assert target == own or target in ALLOWED[own], f"{own} imports {name}"


LIGHT = [
    "mlcnc",
    "mlcnc.config",
    "mlcnc.store",
    "mlcnc.metrics",
    "mlcnc.analysis.verification",
    "mlcnc.analysis.photographs",
    "mlcnc.launch",
    "mlcnc.cli",
]
APP = [
    "app.session",
    "app.widgets.run_picker",
    "app.widgets.job_live",
    "app.widgets.train_form",
    "app.figures.geometry",
    "app.figures.attention",
]


@pytest.mark.parametrize("module", [*LIGHT, *APP])
def test_reading_runs_loads_neither_torch_nor_umap(module):
    program = f"import sys, {module}; print([m for m in ('torch', 'umap', 'sklearn') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_tracked_files_are_small_enough_for_git():
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    assert max(sizes.values()) < 4e6
    assert sum(size for path, size in sizes.items() if (ROOT / "runs") in path.parents) < 40e6
    assert not [path for path in sizes if path.suffix in {".pt", ".pth", ".pkl"}]
