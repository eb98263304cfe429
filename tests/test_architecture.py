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
    "named_paths": set(),
    "setting_texts": set(),
    "settings_file": {"errors", "named_paths"},
    "terminal_text": set(),
    "torch_archive": set(),
    "written_numbers": set(),
    "files": {"errors"},
    "config": {"errors", "methods", "written_numbers"},
    "original_recipes": {"config"},
    "presets": {"errors", "config", "data", "original_recipes"},
    "etf": {"errors"},
    "class_means": {"errors", "precision"},
    "losses": {"errors", "directions", "precision"},
    "data": {"files", "errors", "named_paths", "torchvision_guard"},
    "glove": {"files", "errors", "written_numbers"},
    "metrics": {"errors", "etf", "class_means"},
    "models": {
        "errors",
        "named_paths",
        "torch_archive",
        "directions",
        "precision",
        "etf",
        "glove",
        "torchvision_guard",
    },
    "methods": {
        "errors",
        "named_paths",
        "written_numbers",
        "etf",
        "class_means",
        "losses",
        "data",
        "metrics",
        "models",
    },
    "store": {"files", "errors", "config"},
    "training": {
        "errors",
        "named_paths",
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
        "files",
        "torch_archive",
    },
    "analysis": {
        "errors",
        "files",
        "named_paths",
        "terminal_text",
        "torch_archive",
        "config",
        "methods",
        "store",
        "data",
        "etf",
        "glove",
        "metrics",
    },
    "evidence": {"analysis", "config", "errors", "metrics", "original_recipes", "presets", "store"},
    "exports": {"errors", "store"},
    "plugins": {"errors"},
    "slurm_request": set(),
    "slurm": {"errors", "files", "launch", "slurm_request", "store"},
    "devices": {"files", "errors", "named_paths"},
    "obstacles": {"errors", "named_paths", "config", "devices", "store", "data", "glove"},
    "launch": {
        "files",
        "errors",
        "named_paths",
        "config",
        "presets",
        "devices",
        "obstacles",
        "setting_texts",
        "slurm_request",
        "store",
        "data",
        "plugins",
    },
    "toys": {"errors", "etf", "metrics"},
    "app": {
        "files",
        "named_paths",
        "config",
        "presets",
        "store",
        "analysis",
        "evidence",
        "exports",
        "toys",
        "devices",
        "obstacles",
        "launch",
        "slurm",
        "slurm_request",
        "errors",
    },
    "mlcnc_dashboard": {"cli_runs", "errors", "named_paths", "written_numbers"},
}
FREE = ("cli", "__", "data_", "glove_download", "resumed_download", "single_downloads")
"""How names of modules begin that may import everything: the command line and its downloads."""
HEAVY = {"torch", "umap", "sklearn"}
FORBIDDEN = {
    "mlcnc": {"streamlit", "plotly", "app", "mlcnc_dashboard"},
    "mlcnc_dashboard": {"streamlit", "plotly"},
    "app": {"files", "torch", "torchvision", "umap", "mlcnc_dashboard"},
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def sources():
    return sorted(path for name in ("mlcnc", "mlcnc_dashboard", "app") for path in (ROOT / name).rglob("*.py"))


def problems(path):
    """Yield what a file imports against the table, in words."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    own = parts[0] if parts[0] != "mlcnc" else parts[1] if len(parts) > 1 else ""
    if parts[0] == "mlcnc" and own not in ALLOWED and not own.startswith(FREE):
        yield f"{own} is in no table"
        return
    for name in imports(path):
        package, _, inside = name.partition(".")
        target = inside.split(".")[0]
        if package in FORBIDDEN[parts[0]]:
            yield f"{own} imports {name}"
        if package == "torchvision" and own != "torchvision_guard":
            yield f"{own} imports torchvision, not torchvision_guard"
        if package == "mlcnc" and target and own in ALLOWED and target != own and target not in ALLOWED[own]:
            yield f"{own} imports {name}"


def test_imports_follow_the_table():
    assert [f"{path.relative_to(ROOT)}: {why}" for path in sources() for why in problems(path)] == []


LIGHT = [
    "mlcnc",
    "mlcnc.config",
    "mlcnc.store",
    "mlcnc.metrics",
    "mlcnc.analysis.samples.aligned_umap",
    "mlcnc.analysis.verification.recomputation",
    "mlcnc.analysis.images.photographs",
    "mlcnc.launch",
    "mlcnc.cli",
]
APP = [
    "app.session",
    "app.widgets.run_picker",
    "app.train.live",
    "app.train.form",
    "app.figures.geometry",
    "app.figures.attention",
]


def test_reading_runs_loads_neither_torch_nor_umap():
    program = f"import sys, {', '.join(LIGHT + APP)}; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""


def test_tracked_files_are_small_enough_for_git():
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    assert max(sizes.values()) < 4e6
    assert sum(size for path, size in sizes.items() if (ROOT / "runs") in path.parents) < 60e6
    assert not [path for path in sizes if path.suffix in {".pt", ".pth", ".pkl"}]


@pytest.mark.xdist_group("seen")
def test_groups_of_tests_reach_the_workers(request, worker_id):
    """Unseen, each worker would start a browser, a Slurm and torch of its own."""
    assert worker_id == "master" or request.node.nodeid.endswith("@seen")
