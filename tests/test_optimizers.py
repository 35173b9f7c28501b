import keras
import numpy as np

from sen12ms_tf.optimizers import AdamL2


def _torch_adam(weights, gradients, learning_rate, l2):
    """torch.optim.Adam(weight_decay=l2) written out: the penalty goes through both moments."""
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step, gradient in enumerate(gradients, start=1):
        penalised = gradient + l2 * weights
        first = 0.9 * first + 0.1 * penalised
        second = 0.999 * second + 0.001 * penalised**2
        hat_first, hat_second = first / (1 - 0.9**step), second / (1 - 0.999**step)
        weights = weights - learning_rate * hat_first / (np.sqrt(hat_second) + 1e-7)
    return weights


def test_the_penalty_is_part_of_the_gradient():
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=8), rng.normal(size=(5, 8)) * 0.01
    variable = keras.Variable(start.astype(np.float32))
    optimizer = AdamL2(0.01, l2=0.1)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [variable])
    expected = _torch_adam(start, gradients, 0.01, 0.1)
    np.testing.assert_allclose(variable.numpy(), expected, atol=1e-4)
    assert not np.allclose(expected, _torch_adam(start, gradients, 0.01, 0.0), atol=1e-3)


def test_the_optimizer_is_rebuilt_from_its_config():
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(AdamL2(0.01, l2=0.1))
    )
    assert copy.l2 == 0.1
