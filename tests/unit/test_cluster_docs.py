"""docs/cluster.md: what stands there to be typed or copied is understood."""

import re
import shlex
from pathlib import Path

import click
import pytest

from sim.cluster.client import QUEUES, read_cluster_file
from sim.cluster.search import draw_points
from sim.cluster.sweep_file import read_sweep
from spiketheory.commands.main import main
from tests.extras import need

need("distributed", "cluster")

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:^ {4}.*\n(?:\n(?= {4}))?)+", TEXT, flags=re.MULTILINE)
LINES = [line.strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
COMMANDS = [line for line in LINES if line.startswith("spiketheory ")]


def find_block(start):
    (found,) = (b for b in BLOCKS if b.lstrip().startswith(start))
    return re.sub("^ {4}", "", found, flags=re.MULTILINE)


def split(line):
    return shlex.split(line, comments=True)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_understood(line):
    _, name, *arguments = split(line)
    context = click.Context(main, **main.context_settings)  # else click remembers no -h for it
    group = main.get_command(context, name)
    if isinstance(group, click.Group):
        context = click.Context(group, parent=context)
        group = group.get_command(context, arguments.pop(0))
    assert group.make_context(name, arguments, parent=context).params


def test_all_commands_that_share_work_stand_there():
    names = {split(line)[1] for line in COMMANDS}
    assert names >= {"sweep", "train", "check", "accuracy", "certify", "plot", "simulate"}


def test_the_lines_that_start_schedulers_and_workers_are_understood():
    from distributed.cli.dask_scheduler import main as scheduler
    from distributed.cli.dask_worker import main as worker

    (line,) = (line for line in LINES if line.startswith("dask scheduler"))
    assert scheduler.make_context("scheduler", split(line)[2:]).params["port"] == "8786"
    by_hand, by_ssh = (line for line in LINES if "dask worker" in line)
    assert by_ssh.startswith("for m in node1 node2; do ssh $m SPIKETHEORY_THREADS=1 dask worker ")
    assert by_ssh.endswith(" & done")
    setting, _, _, *arguments = split(by_hand)
    assert setting == "SPIKETHEORY_THREADS=1"
    assert worker.make_context("worker", arguments).params["nthreads"] == 1
    assert " ".join(arguments) in by_ssh


def test_the_sweep_files_are_read(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(find_block("[base]"))
    sweep = read_sweep(path)
    assert len(sweep.combinations) == 5 * 2 * 3
    pytest.importorskip("optuna")
    path.write_text(find_block("[base]").split("[vary]")[0] + find_block("[search]"))
    points = draw_points(read_sweep(path).search)
    assert len(points) == 30
    assert all(1e-4 <= point["learning_rate"] <= 1e-1 for point in points)


@pytest.mark.filterwarnings("ignore:OAR Job memory")
@pytest.mark.parametrize("kind", ["slurm", "pbs", "sge", "lsf", "htcondor", "oar"])
def test_the_job_script_of_a_queueing_system_starts_a_worker_of_one_task(kind, tmp_path):
    jobqueue = pytest.importorskip("dask_jobqueue")
    path = tmp_path / "cluster.toml"
    path.write_text(
        find_block('kind = "slurm"').partition("spiketheory sweep")[0].replace("slurm", kind)
    )
    name, workers, options = read_cluster_file(path)
    assert workers == 32
    if kind == "htcondor":
        options = {**options, "disk": "1GB"}
        options.pop("walltime")
    job = getattr(jobqueue, name).job_cls
    script = job(scheduler="tcp://10.0.0.1:8786", name="w", **options).job_script()
    assert "tcp://10.0.0.1:8786" in script
    assert "--nthreads 1" in script
    assert "SPIKETHEORY_THREADS=1" in script


def test_the_kubernetes_file_is_read(tmp_path):
    path = tmp_path / "cluster.toml"
    path.write_text(find_block('kind = "kubernetes"'))
    name, workers, options = read_cluster_file(path)
    assert name == QUEUES["kubernetes"]
    assert workers == 32
    assert options["worker_command"].split() == ["dask-worker", "--nthreads", "1"]
    assert options["env"] == {"SPIKETHEORY_THREADS": "1"}
