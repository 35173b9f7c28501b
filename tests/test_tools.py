"""The tools as a user runs them: in processes of their own, from somewhere else."""

import json
import pathlib
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

TOOLS = sorted(
    path.stem for path in (REPOSITORY / "tools").glob("*.py") if path.stem != "command_line"
)


def _one_line(result) -> str:
    """The one line of a refused call."""
    assert result.returncode == 2, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    return lines[0]


@pytest.mark.parametrize("tool", TOOLS)
def test_help_works_without_tensorflow_and_shows_a_command(tool):
    code = (
        "import runpy, sys\n"
        "sys.modules['tensorflow'] = None\n"
        f"sys.argv = ['{tool}.py', '--help']\n"
        f"sys.path.insert(0, {str(REPOSITORY / 'tools')!r})\n"
        f"runpy.run_path({str(REPOSITORY / 'tools' / f'{tool}.py')!r}, run_name='__main__')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert f"python tools/{tool}.py" in result.stdout
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def run_dir(run_tool, records_dir, tmp_path_factory) -> pathlib.Path:
    """A run that the tool made, in two parts."""
    directory = tmp_path_factory.mktemp("tools") / "run"
    arguments = [
        f"--data_dir={records_dir}",
        f"--run_dir={directory}",
        "--model=ResNet18",
        "--inputs=rgb",
        "--batch_size=8",
        "--steps_per_epoch=2",
    ]
    histories = []
    for epochs in (1, 2):
        result = run_tool("train", *arguments, f"--epochs={epochs}", "--resume")
        assert result.returncode == 0, result.stderr
        histories.append((directory / "history.csv").read_text().splitlines())
    # The second call kept the first epoch, seconds and all, and added one.
    assert (len(histories[0]), len(histories[1])) == (2, 3)
    assert histories[1][:2] == histories[0]
    return directory


def test_evaluate_prints_a_table(run_tool, run_dir, records_dir):
    result = run_tool("evaluate", f"--run_dir={run_dir}", f"--data_dir={records_dir}")
    assert result.returncode == 0, result.stderr
    assert "Urban/Built-up" in result.stdout
    assert "microF1" in json.loads((run_dir / "metrics_test.json").read_text())


def test_export_then_refuses_to_overwrite(run_tool, run_dir, tmp_path):
    arguments = [f"--run_dir={run_dir}", f"--export_dir={tmp_path / 'saved_model'}"]
    result = run_tool("export", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    assert "not an empty directory" in _one_line(run_tool("export", *arguments))
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*")) == before


def test_make_sample_and_convert(run_tool, tmp_path):
    arguments = ["--output_dir=sample", "--patches_per_scene=1", "--patch_size=16"]
    assert run_tool("make_sample", *arguments, cwd=tmp_path).returncode == 0
    assert "not an empty directory" in _one_line(run_tool("make_sample", *arguments, cwd=tmp_path))
    arguments = ["--sen12ms_dir=sample", "--output_dir=records", "--num_workers=2"]
    result = run_tool("convert", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Found 64 complete and 0 incomplete triplets of 16 px" in result.stdout
    assert "64/64" in result.stderr
    assert "finished data set" in _one_line(run_tool("convert", *arguments, cwd=tmp_path))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("content", [b"no image", b""])
def test_convert_names_the_bad_file_and_nothing_else(
    run_tool, sample_dir, tmp_path, workers, content
):
    copy = tmp_path / "copy"
    for path in (sample_dir / "ROIs1158_spring").rglob("*_p1.tif"):
        target = copy / path.relative_to(sample_dir)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    bad = copy / "ROIs1158_spring" / "s2_9" / "ROIs1158_spring_s2_9_p1.tif"
    bad.unlink()
    bad.write_bytes(content)
    arguments = [f"--sen12ms_dir={copy}", f"--output_dir={tmp_path / 'out'}"]
    result = run_tool("convert", *arguments, f"--num_workers={workers}", "--shard_megabytes=1")
    assert result.returncode == 2
    # Beside the progress bar, which clears itself, there is one line.
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    (line,) = [line for line in lines if not line.startswith("convert:")]
    assert line.startswith("Error: ")
    assert str(bad) in line


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("convert", ["--output_dir=out"], "--sen12ms_dir"),
        ("convert", ["--sen12ms_dir=absent", "--output_dir=out"], "no such directory"),
        ("convert", ["--sen12ms_dir=.", "--output_dir=out"], "holds no SEN12MS patch"),
        ("convert", ["--sen12ms_dir=.", "--output_dir=out", "typo"], "Unexpected argument: 'typo'"),
        ("convert", ["--sen12ms_dir=.", "--output_dir=o", "--sead=1"], "Unknown command line flag"),
        ("make_sample", ["--output_dir=out", "--patch_size=0"], "patch_size=0"),
        ("train", ["--data_dir=absent", "--run_dir=run"], "no such directory"),
        ("train", ["--data_dir=.", "--run_dir=run"], "holds no manifest.json"),
        ("train", ["--data_dir=.", "--run_dir=run", "--inputs=s3"], "rgb|s2|s1"),
        ("train", ["--data_dir=.", "--run_dir=run", "--epochs=0"], "epochs is above 0"),
        ("train", ["--data_dir=DATA", "--run_dir=run", "--model=VGG"], "Valid: ResNet18"),
        (
            "train",
            ["--data_dir=DATA", "--run_dir=run", "--batch_size=1000"],
            "Choose a smaller batch_size",
        ),
        ("train", ["--data_dir=DATA", "--run_dir=run", "--seed=-1"], "seed is at least 0"),
        ("make_sample", ["--output_dir=out", "--seed=-1"], "seed=-1"),
        ("make_sample", ["--output_dir=kept/out", "--patch_size=8"], "Not a directory"),
        ("evaluate", ["--run_dir=absent", "--data_dir=."], "no such directory"),
        ("evaluate", ["--run_dir=.", "--data_dir=.", "--split=all"], "train|validation|test"),
        ("export", ["--run_dir=.", "--export_dir=out"], "holds no config.json"),
        ("demo", ["--work_dir=."], "not an empty directory"),
    ],
)
def test_mistakes_end_in_one_line_and_leave_nothing(
    run_tool, records_dir, tmp_path, tool, arguments, message
):
    (tmp_path / "kept").write_text("")
    arguments = [each.replace("DATA", str(records_dir)) for each in arguments]
    assert message in _one_line(run_tool(tool, *arguments, cwd=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
