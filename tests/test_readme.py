"""What the documentation says exists and runs."""

import re

import pytest

from tests.conftest import REPOSITORY
from tests.test_tools import TOOLS

README = (REPOSITORY / "README.md").read_text()


def _documented_flags(tool: str) -> set[str]:
    """Flags of a tool in README, docs and its own docstring."""
    texts = [README, *(path.read_text() for path in (REPOSITORY / "docs").glob("*.md"))]
    texts.append((REPOSITORY / "tools" / f"{tool}.py").read_text().split('"""')[1])
    commands = re.findall(rf"tools/{tool}\.py((?:[ \\\n]+--\w+(?:=[\w./]+)?)+)", "\n".join(texts))
    return set(re.findall(r"--(\w+)", " ".join(commands)))


@pytest.mark.parametrize("tool", TOOLS)
def test_documented_flags_exist(run_tool, tool):
    known = set(
        re.findall(r"^  --(?:\[no\])?(\w+):", run_tool(tool, "--help").stdout, re.MULTILINE)
    )
    documented = _documented_flags(tool)
    assert tool == "benchmark" or documented
    assert documented <= known


def test_documented_files_exist():
    for path in re.findall(r"\]\(((?!https?:)[^)]+)\)", README):
        assert (REPOSITORY / path).exists(), path
    for tool in re.findall(r"tools/(\w+)\.py", README):
        assert tool in TOOLS


def test_python_snippets_run(records_dir, tmp_path, monkeypatch):
    """The snippets of `In Python`, in order, on the tiny data set and with the smallest model."""
    section = README.split("## In Python")[1].split("\n## ")[0]
    code = "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    for documented, tiny in (
        ("/data/sen12ms_records", str(records_dir)),
        ("ResNet50", "ResNet18"),
        ("batch_size=64", "batch_size=16"),
        ("(256, 256, 12)", "(33, 33, 12)"),
        ("epochs=2", "epochs=1"),
    ):
        assert documented in code, documented
        code = code.replace(documented, tiny)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "m.keras").exists()
