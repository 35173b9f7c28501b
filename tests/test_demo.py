import json
import re


def test_the_demo_trains_a_model_that_learned_something(run_tool, tmp_path):
    """The README's first command after the installation; about five minutes on two cores."""
    work = tmp_path / "demo"
    result = run_tool("demo", f"--work_dir={work}")
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"^  (.*\S)\s+(\d\.\d{3})$", result.stdout, re.MULTILINE)
    scores = {name: float(value) for name, value in rows}
    model, constant, pixels = (
        scores[name]
        for name in ("ResNet18", "best constant label set", "nearest class mean of each pixel")
    )
    metrics = json.loads((work / "run" / "metrics_test.json").read_text())
    assert model == round(metrics["microF1"], 3)
    # Neither trivial nor empty: see tools/demo.py.
    assert 0.85 <= model <= 0.97
    assert model >= constant + 0.2
    assert model > pixels
    for made in ("demo.png", "saved_model/saved_model.pb", "run/confusion_test.png"):
        assert (work / made).stat().st_size > 0
