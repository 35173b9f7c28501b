import itertools

import numpy as np
import pytest
import sklearn.metrics

from sen12ms_tf import baselines, landcover
from sen12ms_tf.manifest import read_index
from sen12ms_tf.tasks import task


def test_constant_label_set_is_the_best_of_all():
    truth = (np.random.default_rng(0).random((40, 5)) < [0.7, 0.1, 0.5, 0.3, 0.05]).astype(int)
    f1, labels = baselines.constant_label_set(truth)
    every = [
        sklearn.metrics.f1_score(truth, np.tile(each, (40, 1)), average="micro", zero_division=0)
        for each in itertools.product([0, 1], repeat=5)
    ]
    assert f1 == pytest.approx(max(every))
    assert sklearn.metrics.f1_score(truth, np.tile(labels, (40, 1)), average="micro") == f1


def test_nearest_class_mean_beats_a_constant_and_is_not_perfect(records_dir):
    f1 = baselines.nearest_class_mean(records_dir, "test", "igbp_simplified")
    fractions = [row.igbp_fraction for row in read_index(records_dir, "test")]
    scheme = landcover.scheme("igbp_simplified")
    truth = task("multi_label").target(np.array(fractions, np.float32), scheme).numpy()
    assert baselines.constant_label_set(truth)[0] < f1 < 1
