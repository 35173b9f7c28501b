import json
import subprocess
import sys

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

import sen12ms_tf as s12
from sen12ms_tf import evaluation, runs, serving, training
from sen12ms_tf.errors import MissingError, UsageError

LABEL_TYPES = ("single_label", "multi_label")


@pytest.fixture(scope="module", params=LABEL_TYPES)
def run_dir(request, records_dir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / request.param
    options = runs.TrainingOptions(
        data_dir=str(records_dir),
        model="ResNet18",
        label_type=request.param,
        batch_size=16,
        epochs=1,
        steps_per_epoch=2,
    )
    training.train(directory, options)
    return directory


def test_scores_are_those_of_scikit_learn_on_every_record(run_dir, records_dir):
    scores = evaluation.evaluate(run_dir, records_dir, "test")
    config, model = runs.read_config(run_dir), runs.load_best_model(run_dir)
    dataset = s12.eval_dataset(records_dir, split="test", **config.dataset_options())
    truth = np.concatenate([target for _, target in dataset])
    logits = np.concatenate([model(inputs, training=False) for inputs, _ in dataset])
    predicted = config.task.decide(config.task.probabilities(logits))
    expected = sklearn.metrics.f1_score(truth, predicted, average="micro", zero_division=0)
    assert scores["microF1"] == pytest.approx(expected)
    assert json.loads((run_dir / "metrics_test.json").read_text()) == scores
    assert (run_dir / "confusion_test.png").read_bytes().startswith(b"\x89PNG")


def test_output_goes_where_it_is_asked_to(run_dir, records_dir, tmp_path):
    evaluation.evaluate(run_dir, records_dir, "validation", tmp_path / "new")
    held = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert held == ["confusion_validation.png", "metrics_validation.json"]


def test_an_unknown_split_is_refused(run_dir, records_dir):
    with pytest.raises(UsageError, match="Unknown split 'holdout'"):
        evaluation.evaluate(run_dir, records_dir, "holdout")


# TensorFlow looks for Keras when it is imported, so the two packages must be absent, not failing.
_CLIENT = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('sen12ms_tf', 'keras'):
            return None
        return self.finder.find_spec(name, path, target)
sys.meta_path = [Without(finder) for finder in sys.meta_path]
import numpy as np, tensorflow as tf
model = tf.saved_model.load('saved_model')
batch = {name: tf.constant(value) for name, value in np.load('batch.npz').items()}
out = model.signatures['serving_default'](**batch)
np.save('probabilities.npy', out['probabilities'])
assert not {'keras', 'sen12ms_tf'} & set(sys.modules)
"""


def test_saved_model_needs_tensorflow_alone(run_dir, records_dir, tmp_path):
    serving.export_saved_model(run_dir, tmp_path / "saved_model")
    config = runs.read_config(run_dir)
    dataset = s12.eval_dataset(records_dir, split="test", **config.dataset_options())
    inputs, _ = next(iter(dataset))
    np.savez(tmp_path / "batch.npz", **{name: each.numpy() for name, each in inputs.items()})
    subprocess.run([sys.executable, "-c", _CLIENT], cwd=tmp_path, check=True)
    logits = runs.load_best_model(run_dir)(inputs, training=False)
    expected = config.task.probabilities(logits)
    served = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(served, expected, atol=1e-5)
    classes = json.loads((tmp_path / "saved_model" / "assets" / "classes.json").read_text())
    assert [row["name"] for row in classes] == list(config.scheme.class_names)
    channels = json.loads((tmp_path / "saved_model" / "assets" / "bands.json").read_text())
    assert [row["band"] for row in channels["s1"]] == ["VV", "VH"]
    assert channels["s1"][0]["unit"] == "dB"
    assert not list(tmp_path.glob("*.part"))


def test_saved_model_takes_any_batch_and_image_size(run_dir, tmp_path):
    serving.export_saved_model(run_dir, tmp_path / "saved_model")
    signature = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_default"]
    for batch, size in ((1, 32), (3, 50)):
        out = signature(
            s1=tf.zeros((batch, size, size, 2)), s2=tf.zeros((batch, size, size, 10), tf.uint16)
        )
        assert out["probabilities"].shape == (batch, 10)


def test_an_export_directory_in_use_is_refused_and_kept(run_dir, tmp_path):
    (tmp_path / "thesis.docx").write_text("three years")
    with pytest.raises(UsageError, match="not an empty directory"):
        serving.export_saved_model(run_dir, tmp_path)
    assert (tmp_path / "thesis.docx").read_text() == "three years"


def test_an_interrupted_export_of_someone_else_is_kept(run_dir, tmp_path):
    (tmp_path / "saved_model.part").mkdir()
    (tmp_path / "saved_model.part" / "thesis.docx").write_text("three years")
    serving.export_saved_model(run_dir, tmp_path / "saved_model")
    assert (tmp_path / "saved_model.part" / "thesis.docx").read_text() == "three years"


def test_a_run_without_weights_is_refused(run_dir, records_dir, tmp_path):
    (tmp_path / "config.json").write_text((run_dir / "config.json").read_text())
    with pytest.raises(MissingError, match="has not finished an epoch"):
        evaluation.evaluate(tmp_path, records_dir, "test")
    with pytest.raises(MissingError, match="has not finished an epoch"):
        serving.export_saved_model(tmp_path, tmp_path / "export")
    assert not (tmp_path / "export").exists()
