import csv
import dataclasses
import json
import operator
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from sen12ms_tf import runs, training
from sen12ms_tf.errors import MissingError, UsageError
from sen12ms_tf.manifest import read_manifest
from sen12ms_tf.runs import TrainingOptions
from sen12ms_tf.storage import as_path


@pytest.fixture
def options(records_dir) -> TrainingOptions:
    return TrainingOptions(
        data_dir=str(records_dir), model="ResNet18", batch_size=16, epochs=2, augment="d4"
    )


@pytest.fixture(scope="module")
def finished(records_dir, tmp_path_factory):
    """A run of two epochs, not to be written to."""
    run_dir = tmp_path_factory.mktemp("runs") / "finished"
    options = TrainingOptions(
        data_dir=str(records_dir), model="ResNet18", batch_size=16, epochs=2, augment="d4"
    )
    training.train(run_dir, options)
    return run_dir


def _history(run_dir) -> list[dict]:
    with (run_dir / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_defaults_are_the_published_recipe():
    options = TrainingOptions("data")
    assert (options.learning_rate, options.decay, options.batch_size) == (1e-3, 1e-5, 64)
    assert (options.epochs, options.augment, options.threshold) == (100, "none", 0.1)


def test_a_run_leaves_what_it_should(finished):
    held = {path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()}
    assert {"config.json", "best.weights.h5", "history.csv"} <= held
    assert {"checkpoints/state.json", "checkpoints/epoch_0002.weights.h5"} <= held
    assert not any("part" in name or "epoch_0001" in name for name in held)
    assert any(name.startswith("tensorboard/validation/events") for name in held)
    rows = _history(finished)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "micro_f1", "val_loss", "val_micro_f1", "learning_rate"} <= set(rows[0])


def test_config_holds_every_flag_and_the_statistics_used(finished, options):
    config = json.loads((finished / "config.json").read_text())
    assert config["options"] == dataclasses.asdict(options) | {"train_splits": ["train"]}
    assert config["patch_size"] == 33
    assert config["normalization"]["s1"][0]["mean"] == -11.76858
    assert set(config["versions"]) == {"sen12ms_tf", "keras", "tensorflow", "numpy"}
    assert runs.read_config(finished).options == options


def test_best_weights_are_those_of_the_best_epoch(finished):
    scores = [float(row["val_micro_f1"]) for row in _history(finished)]
    state = json.loads((finished / "checkpoints" / "state.json").read_text())
    assert state == {"epoch": 2, "best": max(scores)}
    last = runs.build_run_model(runs.read_config(finished))
    last.load_weights(finished / "checkpoints" / "epoch_0002.weights.h5")
    best = runs.load_best_model(finished)
    same = all(
        np.array_equal(a, b) for a, b in zip(last.get_weights(), best.get_weights(), strict=True)
    )
    assert same == (scores[1] > scores[0])
    # Without the optimizer's two moments the file has a third of the size.
    checkpoint = finished / "checkpoints" / "epoch_0002.weights.h5"
    assert (finished / "best.weights.h5").stat().st_size < 0.4 * checkpoint.stat().st_size


def test_the_best_weights_are_never_replaced_by_worse_ones(tmp_path):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, name="dense")(inputs))
    model.compile("sgd", "mse")
    progress = training._Progress(as_path(tmp_path))
    for epoch, score in enumerate((0.5, 0.7, 0.6, 0.7), start=1):
        model.set_weights([np.array([[epoch]], np.float32)])
        progress.save(model, {"epoch": epoch}, score)
    model.load_weights(tmp_path / "best.weights.h5")
    # Of two equal epochs the first stays.
    assert model.get_weights()[0] == 2
    assert training._Progress.read(as_path(tmp_path)).best == 0.7


def test_a_run_that_is_stopped_after_an_epoch_goes_on(finished, options, tmp_path):
    """One epoch, a new process, one epoch: the same as two epochs at once."""
    run_dir = tmp_path / "resumed"
    training.train(run_dir, dataclasses.replace(options, epochs=1))
    code = (
        "import sys\n"
        "from sen12ms_tf import runs, training\n"
        "import dataclasses\n"
        "options = dataclasses.replace(runs.read_config(sys.argv[1]).options, epochs=2)\n"
        "training.train(sys.argv[1], options, resume=True)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(run_dir)], check=True)
    straight, resumed = _history(finished), _history(run_dir)
    assert [row["epoch"] for row in resumed] == ["1", "2"]
    for name in ("loss", "val_loss", "micro_f1", "val_micro_f1"):
        # Threads sum in another order; a lost optimizer state or another data order is far off.
        for one, other in zip(straight, resumed, strict=True):
            assert float(one[name]) == pytest.approx(float(other[name]), rel=0.05), name


def test_resume_restores_weights_and_optimizer_bit_for_bit(options, tmp_path):
    trained = training.train(tmp_path / "run", dataclasses.replace(options, steps_per_epoch=2))
    config = runs.read_config(tmp_path / "run")
    model = runs.build_run_model(config, config.patch_size)
    model.compile(training.AdamL2(options.learning_rate), config.task.loss())
    training._Progress.read(as_path(tmp_path / "run")).restore(model)
    assert int(model.optimizer.iterations) == 2 * 2
    for held in ("variables", "optimizer.variables"):
        pairs = zip(
            operator.attrgetter(held)(trained), operator.attrgetter(held)(model), strict=True
        )
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)


def test_resume_on_an_empty_directory_starts_anew(options, tmp_path):
    (tmp_path / "run").mkdir()
    training.train(tmp_path / "run", dataclasses.replace(options, epochs=1), resume=True)
    assert len(_history(tmp_path / "run")) == 1


def test_steps_per_epoch_go_on_in_the_middle_of_the_data(options):
    """Three steps an epoch, five a pass: epoch 2 begins at step 6, the second step of pass 1."""
    steps = read_manifest(options.data_dir).records("train") // 16
    assert steps == 5
    chosen = dataclasses.replace(options, steps_per_epoch=3, augment="none")
    config = runs.RunConfig(chosen, 33, {}, {})
    straight = training._training_data(config, 0).skip(6).take(1)
    resumed = training._training_data(config, 2).take(1)
    for (one, _), (other, _) in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(one["s2"], other["s2"])


def test_a_used_run_directory_is_refused_without_resume(finished, options):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    with pytest.raises(UsageError, match=r"is in use.*--resume"):
        training.train(finished, options)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_resume_with_other_options_says_which(finished, options):
    changed = dataclasses.replace(options, epochs=3, batch_size=8, seed=5)
    with pytest.raises(UsageError, match=r"batch_size=16, not 8, seed=0, not 5"):
        training.train(finished, changed, resume=True)


def test_resume_of_a_finished_run_has_nothing_to_do(finished, options):
    before = (finished / "history.csv").read_text()
    training.train(finished, options, resume=True)
    assert (finished / "history.csv").read_text() == before


def test_resume_on_other_statistics_is_refused(records_dir, options, tmp_path, changed_copy):
    """Weights learned with one normalisation must not be saved under another."""
    chosen = dataclasses.replace(options, inputs="all", epochs=1, steps_per_epoch=1)
    training.train(tmp_path / "run", chosen)
    before = (tmp_path / "run" / "config.json").read_text()
    statistics = read_manifest(records_dir).statistics
    changed = statistics | {"B1": statistics["B1"] | {"mean": 5.0}}
    other = changed_copy(statistics=changed)
    with pytest.raises(UsageError, match="other band statistics"):
        training.train(
            tmp_path / "run", dataclasses.replace(chosen, data_dir=str(other)), resume=True
        )
    assert (tmp_path / "run" / "config.json").read_text() == before


def test_a_directory_of_something_else_is_refused(options, tmp_path):
    (tmp_path / "thesis.docx").write_text("")
    for resume in (False, True):
        with pytest.raises(UsageError, match=r"thesis\.docx"):
            training.train(tmp_path, options, resume=resume)


def test_without_validation_records_the_last_epoch_is_kept(
    records_dir, options, tmp_path, changed_copy, caplog
):
    splits = read_manifest(records_dir).splits | {"validation": ()}
    data = changed_copy(splits=splits)
    run_dir = tmp_path / "run"
    with caplog.at_level("WARNING"):
        model = training.train(run_dir, dataclasses.replace(options, data_dir=str(data)))
    assert "no validation records" in caplog.text
    for kept, trained in zip(
        runs.load_best_model(run_dir).get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(kept, trained)


@pytest.mark.parametrize("label_type", ["single_label", "multi_label"])
@pytest.mark.parametrize("scheme", ["igbp", "igbp_simplified"])
def test_both_label_types_and_schemes_train(records_dir, tmp_path, label_type, scheme):
    precision = "float16" if scheme == "igbp" else "bfloat16"
    options = TrainingOptions(
        data_dir=str(records_dir),
        model="ResNet18",
        label_type=label_type,
        scheme=scheme,
        batch_size=4,
        epochs=1,
        steps_per_epoch=2,
        mixed_precision=precision,
        jit_compile=label_type == "single_label",
    )
    model = training.train(tmp_path / "run", options)
    assert model.get_layer("stem_conv").compute_dtype == precision
    assert keras.config.dtype_policy().name == "float32"
    assert np.isfinite(float(_history(tmp_path / "run")[0]["loss"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": "s3"}, "Unknown input set"),
        ({"label_type": "both"}, "Unknown label type"),
        ({"mixed_precision": "int4"}, "Unknown mixed precision"),
        ({"train_splits": ("test",)}, "train_splits names"),
        ({"train_splits": ("tran",)}, "Unknown split 'tran'"),
        ({"batch_size": 0}, "batch_size is above 0"),
        ({"epochs": -1}, "epochs is above 0"),
        ({"decay": -1.0}, "decay is at least 0"),
        ({"seed": -1}, "seed is at least 0"),
        ({"threshold": 0.0}, "threshold is above 0"),
        ({"train_splits": ("train", "train")}, "each once"),
    ],
)
def test_impossible_options_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        TrainingOptions("data", **change)


def test_no_run(tmp_path, finished):
    with pytest.raises(MissingError, match="no such directory"):
        runs.read_config(tmp_path / "absent")
    with pytest.raises(MissingError, match="not a run"):
        runs.read_config(tmp_path)
    shutil.copy(finished / "config.json", tmp_path)
    with pytest.raises(MissingError, match="has not finished an epoch"):
        runs.load_best_model(tmp_path)
    (tmp_path / "best.weights.h5").write_bytes(b"no weights")
    with pytest.raises(UsageError, match="not the weights"):
        runs.load_best_model(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="not a configuration"):
        runs.read_config(tmp_path)
