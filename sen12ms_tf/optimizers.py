"""The optimizer of the published recipe."""

import keras


@keras.saving.register_keras_serializable("sen12ms_tf")
class AdamL2(keras.optimizers.Adam):
    """Adam with an L2 penalty in the gradient, as torch.optim.Adam(weight_decay=...) has it.

    Not AdamW, whose decay bypasses the moments (and which is what Keras's own `weight_decay` does),
    and no regulariser, which would show in the reported loss. The penalty holds for every
    trainable variable, biases and BatchNorm included.

    Args:
      learning_rate: of Adam.
      l2: factor of the variable that is added to its gradient.
      **kwargs: the other arguments of keras.optimizers.Adam.
    """

    def __init__(self, learning_rate=1e-3, l2: float = 0.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        """One update of one variable."""
        decay = keras.ops.cast(variable * self.l2, gradient.dtype)
        super().update_step(gradient + decay, variable, learning_rate)

    def get_config(self):
        """What rebuilds the optimizer."""
        return {**super().get_config(), "l2": self.l2}
