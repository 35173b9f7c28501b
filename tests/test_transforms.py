import numpy as np
import pytest
import tensorflow as tf

from sen12ms_tf import transforms

IMAGE = np.arange(9, dtype=np.uint16).reshape(3, 3, 1)

# By hand: bit 0 reverses rows, bit 1 columns, bit 2 then transposes.
EXPECTED = [
    [[0, 1, 2], [3, 4, 5], [6, 7, 8]],
    [[6, 7, 8], [3, 4, 5], [0, 1, 2]],
    [[2, 1, 0], [5, 4, 3], [8, 7, 6]],
    [[8, 7, 6], [5, 4, 3], [2, 1, 0]],
    [[0, 3, 6], [1, 4, 7], [2, 5, 8]],
    [[6, 3, 0], [7, 4, 1], [8, 5, 2]],
    [[2, 5, 8], [1, 4, 7], [0, 3, 6]],
    [[8, 5, 2], [7, 4, 1], [6, 3, 0]],
]


def _in_dataset_map(images, index):
    dataset = tf.data.Dataset.from_tensors((images, index))
    return next(iter(dataset.map(transforms.apply_symmetry)))


@pytest.mark.parametrize("apply", [transforms.apply_symmetry, _in_dataset_map])
@pytest.mark.parametrize("index", range(8))
def test_symmetries(apply, index):
    s1 = np.stack([IMAGE[..., 0], -IMAGE[..., 0].astype(float)], -1).astype(np.float32)
    turned = apply({"s2": tf.constant(IMAGE), "s1": tf.constant(s1)}, tf.constant(index))
    np.testing.assert_array_equal(turned["s2"].numpy()[..., 0], EXPECTED[index])
    # All sensors turn alike, and channels stay where they are.
    np.testing.assert_array_equal(turned["s1"].numpy()[..., 0], EXPECTED[index])
    np.testing.assert_array_equal(turned["s1"].numpy()[..., 1], -np.array(EXPECTED[index]))
    assert turned["s2"].dtype == tf.uint16


def test_the_eight_symmetries_are_different_and_complete():
    images = {tuple(np.ravel(each)) for each in EXPECTED}
    assert len(images) == transforms.NUM_SYMMETRIES == 8


def test_seeds_reach_all_symmetries_and_repeat():
    def drawn(position):
        images = transforms.random_symmetry({"s2": tf.constant(IMAGE)}, [5, position])
        return tuple(images["s2"].numpy().ravel())

    first = [drawn(position) for position in range(80)]
    assert len(set(first)) == 8
    assert first == [drawn(position) for position in range(80)]
