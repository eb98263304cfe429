"""The commands on runs that are there: list, show, verify, export, delete them; analyze a file of features."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlcnc.analysis.runs.rows import run_rows
from mlcnc.config import ExperimentConfig, override
from mlcnc.errors import ConfigError, StoreError, counted, number_or_dash
from mlcnc.exports import FORMATS, export_run
from mlcnc.exports.logged_run import flat
from mlcnc.named_paths import path_argument, runs_folder
from mlcnc.store import Run, RunProblem, RunStore, left_out, no_runs, require_runs_folder
from mlcnc.terminal_text import columns, one_line, printable
from mlcnc.written_numbers import whole


def add_runs(commands: Any) -> None:
    """Add ``mlcnc runs``."""
    parser = commands.add_parser("runs", help="list, show, verify, export or delete runs")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="one line a run")
    add_runs_folder(listing)
    listing.set_defaults(command=_runs_list)
    show = actions.add_parser("show", help="settings, state and results of a run")
    show.add_argument("run_id")
    add_runs_folder(show)
    show.set_defaults(command=_runs_show)
    verify = actions.add_parser("verify", help="recompute stored metrics from stored features and scores")
    verify.add_argument("run_ids", nargs="*", metavar="run_id", help="default: all runs")
    add_runs_folder(verify)
    verify.set_defaults(command=_runs_verify)
    export = actions.add_parser(
        "export",
        help="write what a run logged for another tool",
        description="Write settings and metrics of a run below a folder, epochs counted from 1, the untrained "
        "network as 0. Nothing is sent anywhere. tensorboard, wandb and mlflow need the package of that name: "
        "pip install mlcnc[tensorboard], mlcnc[wandb] or mlcnc[mlflow].",
    )
    export.add_argument("run_id")
    export.add_argument("--to", choices=tuple(FORMATS), required=True, help="what for")
    export.add_argument("folder", type=path_argument, help="the run gets a folder of its own in it")
    add_runs_folder(export)
    export.set_defaults(command=_runs_export)
    delete = actions.add_parser("delete", help="delete a run folder")
    delete.add_argument("run_id")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.add_argument("--force", action="store_true", help="even while it is being written")
    add_runs_folder(delete)
    delete.set_defaults(command=_runs_delete)


def add_analyze(commands: Any) -> None:
    """Add ``mlcnc analyze``."""
    parser = commands.add_parser(
        "analyze",
        help="measure neural collapse of features in a file",
        description="Measure neural collapse of anyone's features: .npz, .safetensors or .pt with features "
        "(N, d) or (N, C, d), targets (N, C) of 0 and 1 or (N,) class indices, and optionally "
        "classifier_weight (C, d), classifier_bias (C,), scores (N, C), label_embedding (C, d), class_names. "
        "Prints a report and writes a run that the dashboard opens.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=path_argument, help="file of features")
    parser.add_argument(
        "--split", choices=("train", "test"), default="test", help="what the features are of [test]"
    )
    parser.add_argument("--head-min", type=whole, default=100, help="positives that make a class head [100]")
    parser.add_argument("--tail-max", type=whole, default=20, help="positives below which a class is tail [20]")
    parser.add_argument("--run-id", help="folder name of the run; default: made from the file's name")
    parser.add_argument("--no-run", action="store_true", help="only print the report")
    parser.add_argument("--json", action="store_true", help="print all metrics as JSON")
    add_runs_folder(parser)
    parser.set_defaults(command=_analyze)


def add_runs_folder(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where runs are."""
    parser.add_argument(
        "--runs",
        type=path_argument,
        default=runs_folder(),
        metavar="FOLDER",
        help="where runs are [MLCNC_RUNS, else runs]",
    )


GROUPS = ("total", "head", "medium", "tail")


def _runs_list(options: argparse.Namespace) -> int:
    found, besides = list(RunStore(options.runs).scan()), left_out(options.runs)
    if not found:
        print(printable(f"no runs in {options.runs}" + ("" if besides else "; start one with: mlcnc train")))
    rows = [("run", "state", "epochs", "mAP total/head/medium/tail of the best validation epoch")]
    for item in found:
        if isinstance(item, RunProblem):
            rows.append((item.run_id, "broken", "", item.text))
        else:
            rows.append((item.run_id, item.status.state, str(len(item.metrics())), _result(item)))
    if found:
        print("\n".join(columns(rows, right=[2])))
    for sentence in besides:
        print(printable(sentence))
    return 0


def _result(run: Run) -> str:
    best = run.best_epoch()
    lines = {int(line["epoch"]): line for line in run.metrics()}
    tested = [epoch for epoch, line in lines.items() if "test/map_total" in line]
    if best is None and not tested:
        return "-"
    epoch, chosen = (tested[-1], ", no validation") if best is None else (best, "")
    values = [lines[epoch].get(f"test/map_{group}", float("nan")) for group in GROUPS]
    return " / ".join(map(number_or_dash, values)) + f"  (epoch {epoch + 1}{chosen})"


def _say(text: str) -> None:
    print(printable(text))


def _runs_show(options: argparse.Namespace) -> int:
    run = RunStore(options.runs).open(options.run_id)
    info, status = run.info, run.status
    planned = counted(status.num_epochs, "epoch") if status.num_epochs else "? epochs"
    _say(f"{run.name} ({run.run_id}), {status.state}, {len(run.metrics())} of {planned}")
    _say(f"created {info.created_at} on {info.device}, seed {info.seed}, commit {info.git_commit}")
    (row,) = run_rows([run])
    settings = dict(flat(info.config))
    # a run stores the side that it took, also where nobody asked for one
    side = settings.pop("data.image_size", None)
    _say(
        f"{row.recipe} on {row.dataset}, {len(info.class_names)} classes; train/validation/test images: "
        f"{info.num_train}/{info.num_validation}/{info.num_test}" + (f" of {side} px" if side else "")
    )
    _say(f"test mAP {_result(run)}")
    if status.error is not None:
        _say(f"failed with {status.error.type}: {status.error.message}")
    for warning in run.warnings:
        _say(f"warning: {warning}")
    _say("settings that differ from the defaults:")
    defaults = dict(flat(_defaults(info.config)))
    for name, value in settings.items():
        if value != defaults.get(name):
            _say(f"  {name} = {value}")
    return 0


def _runs_export(options: argparse.Namespace) -> int:
    written = export_run(RunStore(options.runs).open(options.run_id), options.to, options.folder)
    _say(f"{one_line(written)} written; {FORMATS[options.to][2].format(folder=shlex.quote(str(written)))}")
    return 0


def _runs_verify(options: argparse.Namespace) -> int:
    from mlcnc.analysis.verification.recomputation import verify_run

    store = RunStore(options.runs)
    if not options.run_ids and not store.run_ids():
        raise ConfigError(no_runs(options.runs))
    for run_id in options.run_ids:
        store.open(run_id)  # a name that was mistyped is said before minutes of work
    failed = 0
    checked = 0
    runs_without: dict[str, list[str]] = {}
    for run_id in options.run_ids or store.run_ids():
        try:
            report = verify_run(store.open(run_id))
        except StoreError as error:
            _say(f"{run_id}: not verified, {error}")
            failed += 1
            continue
        if report.num_checks or report.problems:
            verdict = "differs" if report.problems else "agrees"
            epochs = f"{report.num_verified} of {report.num_epochs} epochs"
            _say(f"{run_id}: {verdict}; {report.num_checks} values recomputed, in {epochs}")
        else:
            _say(f"{run_id}: nothing was checked, for none of its {report.num_epochs} epochs stored arrays")
        for problem in report.problems:
            _say(f"  {problem}")
        if report.unchecked:
            runs_without.setdefault(_unchecked(report.unchecked), []).append(run_id)
        failed += bool(report.problems)
        checked += report.num_checks
    # runs of one kind lack the same, and the list is long
    for names, run_ids in runs_without.items():
        _say(f"not recomputed in {', '.join(run_ids)}: {names}")
    return 1 if failed or not checked else 0


def _defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a run's own method, as a run stores them."""
    method = config.get("method")
    kind = method.get("kind") if isinstance(method, Mapping) else None
    try:
        base = override(ExperimentConfig(), {"method": {"kind": kind}} if kind else {})
    except ConfigError:  # a method from outside that is not loaded
        base = ExperimentConfig()
    return base.model_dump(mode="json")


def _unchecked(names_of: Mapping[str, Sequence[str]]) -> str:
    places: dict[tuple[str, ...], list[str]] = {}
    for place, names in names_of.items():
        places.setdefault(tuple(names), []).append(place)
    return "; ".join(f"{', '.join(found)}: {', '.join(names)}" for names, found in places.items())


def _runs_delete(options: argparse.Namespace) -> int:
    store = RunStore(options.runs)
    store.open(options.run_id) if not options.force else None
    if not options.yes:
        if not sys.stdin.isatty():
            raise ConfigError("deleting asks first, and there is no terminal to ask; give --yes")
        if input(f"delete run {options.run_id} in {options.runs}? [y/N] ").strip().lower() != "y":
            print("kept")
            return 0
    store.delete(options.run_id, force=options.force)
    print(f"deleted {options.run_id}")
    return 0


def _how_grouped(options: argparse.Namespace) -> str:
    other = "" if options.split == "train" else ", not by those of training, which it does not hold"
    limits = f"head from {options.head_min}, tail below {options.tail_max} (--head-min, --tail-max)"
    return f"head, medium and tail are by the positives in this file{other}: {limits}"


def _analyze(options: argparse.Namespace) -> int:
    from mlcnc.analysis.user_files.feature_file import read_features
    from mlcnc.analysis.user_files.features import analyse_features, report_text, write_feature_run
    from mlcnc.store.writer import groups_by_count

    if options.tail_max > options.head_min:
        raise ConfigError(f"--tail-max {options.tail_max} must not be above --head-min {options.head_min}")
    if not options.no_run:
        require_runs_folder(options.runs)
    file = read_features(options.file)
    counts = file.targets.sum(axis=0, dtype=int).tolist()
    groups = groups_by_count(counts, options.head_min, options.tail_max)
    report = analyse_features(file, groups, split=options.split)
    if options.json:
        defined = {name: value if math.isfinite(value) else None for name, value in report.metrics.items()}
        print(json.dumps(defined, indent=1))
    else:
        sizes = ", ".join(f"{name} {len(members)}" for name, members in groups.items())
        shape = " x ".join(str(size) for size in file.features.shape)
        print(f"{one_line(options.file)}: features {shape}, {len(counts)} classes ({sizes})")
        print(f"  {_how_grouped(options)}")
        print(report_text(report, file.class_names))
    if not options.no_run:
        run_id = write_feature_run(
            report,
            file,
            options.runs,
            run_id=options.run_id,
            source=options.file,
            thresholds=(options.head_min, options.tail_max),
        )
        print(f"run {run_id} written to {one_line(options.runs)}; open it in the dashboard", file=sys.stderr)
    return 0
