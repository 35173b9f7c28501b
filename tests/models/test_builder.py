import subprocess
import sys

import keras
import numpy as np
import pytest

import sen12ms_tf as s12
from sen12ms_tf import bands
from sen12ms_tf.errors import MissingError, UsageError
from sen12ms_tf.models import MODELS, blocks

# Trainable parameters of torchvision's encoders for 3 channels: its published totals for 1000
# classes less those of the classifier, 1000 * (features + 1).
ENCODER_PARAMETERS = {
    "ResNet18": 11_689_512 - 1000 * 513,
    "ResNet34": 21_797_672 - 1000 * 513,
    "ResNet50": 25_557_032 - 1000 * 2049,
    "ResNet101": 44_549_160 - 1000 * 2049,
    "ResNet152": 60_192_808 - 1000 * 2049,
    "DenseNet121": 7_978_856 - 1000 * 1025,
    "DenseNet161": 28_681_000 - 1000 * 2209,
    "DenseNet169": 14_149_480 - 1000 * 1665,
    "DenseNet201": 20_013_928 - 1000 * 1921,
}
# Filters and features: a further channel adds 7 * 7 * filters weights, a class features + 1.
STEM_AND_FEATURES = {
    "ResNet18": (64, 512),
    "ResNet34": (64, 512),
    "ResNet50": (64, 2048),
    "ResNet101": (64, 2048),
    "ResNet152": (64, 2048),
    "DenseNet121": (64, 1024),
    "DenseNet161": (96, 2208),
    "DenseNet169": (64, 1664),
    "DenseNet201": (64, 1920),
}
STATISTICS = {name: {"mean": 900.0, "std": 300.0} for name in ("B1", "B9", "B10")}


def _batch(inputs, size, batch=2, seed=0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        feature: rng.normal(-12, 4, (batch, size, size, len(names))).astype(np.float32)
        if feature == "s1"
        else rng.integers(0, 4000, (batch, size, size, len(names))).astype(np.uint16)
        for feature, names in bands.input_features(inputs).items()
    }


def _build_under(policy: str) -> keras.Model:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return s12.build_model("ResNet18", inputs="s1s2", num_classes=3)
    finally:
        keras.config.set_dtype_policy(before)


def test_no_model_lacks_its_row():
    assert set(ENCODER_PARAMETERS) == set(STEM_AND_FEATURES) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_those_of_torchvision(name):
    filters, features = STEM_AND_FEATURES[name]
    model = s12.build_model(name, inputs="s1s2", num_classes=17)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    encoder = ENCODER_PARAMETERS[name] + (12 - 3) * 49 * filters
    assert trainable == encoder + 17 * (features + 1)


@pytest.mark.parametrize("inputs", bands.INPUTS)
def test_any_input_set_gives_float32_logits(inputs):
    model = s12.build_model("ResNet18", inputs=inputs, num_classes=3, statistics=STATISTICS)
    logits = model(_batch(inputs, 40))
    assert logits.shape == (2, 3)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"


@pytest.mark.parametrize(
    ("name", "size"), [("ResNet50", 8), ("ResNet50", 45), ("DenseNet121", 29), ("DenseNet121", 45)]
)
def test_any_patch_size(name, size):
    model = s12.build_model(name, inputs="s2", num_classes=3, patch_size=size)
    assert np.isfinite(model(_batch("s2", size))).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_normalization_and_logits_stay_in_float32(policy):
    model = _build_under(policy)
    normalization, conv = (model.get_layer(name) for name in ("band_normalization", "stem_conv"))
    assert normalization.compute_dtype == "float32"
    assert model.get_layer("logits").compute_dtype == "float32"
    assert conv.compute_dtype == policy.removeprefix("mixed_")
    batch = _batch("s1s2", 32)
    raw = keras.Model(model.inputs, normalization.output).predict_on_batch(batch)
    # -12.3 dB must not have been rounded to bfloat16 on its way in.
    expected = (batch["s1"][..., 0].clip(-25, 0) - -11.76858) / 4.525339
    np.testing.assert_allclose(np.asarray(raw)[..., 10], expected, atol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_saved_model_gives_equal_logits_in_a_new_process(tmp_path, policy):
    model = _build_under(policy)
    model.compile("adam", s12.task("multi_label").loss(), metrics=s12.task("multi_label").metrics())
    batch = _batch("s1s2", 32)
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "batch.npz", **batch)
    code = (
        "import sys, numpy as np, sen12ms_tf as s12\n"
        "model = s12.load_model('m.keras')\n"
        "batch = dict(np.load('batch.npz'))\n"
        "np.save('logits.npy', model.predict_on_batch(batch))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), model.predict_on_batch(batch))


def test_resnet_strides_in_its_3_x_3_convolution():
    model = s12.build_model("ResNet50", inputs="s2", num_classes=3, patch_size=64)
    for stage in (2, 3, 4):
        first, second = (model.get_layer(f"stage{stage}_block1_conv{i}") for i in (1, 2))
        assert (first.strides, second.strides) == ((1, 1), (2, 2))
        assert second.kernel_size == (3, 3)


@pytest.mark.parametrize("size", [32, 33])
def test_strided_convolutions_pad_alike_on_both_sides(size):
    # Output i of a 7 x 7 convolution of stride 2 and padding 3 covers inputs 2i - 3 to 2i + 3, so
    # input 3 is seen by outputs 0 to 3.
    inputs = keras.Input((size, size, 1))
    model = keras.Model(inputs, blocks.conv(inputs, 1, 7, 2, name="conv"))
    model.get_layer("conv").kernel.assign(np.ones((7, 7, 1, 1)))
    impulse = np.zeros((1, size, size, 1), np.float32)
    impulse[0, 3, 3] = 1
    expected = np.zeros((-(-size // 2),) * 2)
    expected[:4, :4] = 1
    np.testing.assert_array_equal(model.predict(impulse, verbose=0)[0, ..., 0], expected)


def test_densenet_ends_in_a_relu_before_the_pooling():
    model = s12.build_model("DenseNet121", inputs="s2", num_classes=3)
    assert [layer.name for layer in model.layers[-3:]] == ["final_relu", "pool", "logits"]


def test_initialisation_is_he_normal_over_the_fan_in():
    keras.utils.set_random_seed(0)
    model = s12.build_model("ResNet18", inputs="s1s2", num_classes=1000)
    kernel = np.asarray(model.get_layer("stage4_block2_conv2").kernel)
    deviation = np.sqrt(2 / (3 * 3 * 512))
    assert kernel.std() == pytest.approx(deviation, rel=0.01)
    # Untruncated: of two million draws some lie beyond four deviations.
    assert np.abs(kernel).max() > 4 * deviation
    bias = np.asarray(model.get_layer("logits").bias)
    assert 0.9 * 512**-0.5 < np.abs(bias).max() <= 512**-0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ResNet19", "s2", 3), "Unknown model 'ResNet19'. Valid: ResNet18"),
        (("ResNet18", "s3", 3), "Unknown input set 's3'"),
        (("ResNet18", "s2", 0), "at least 1 class"),
        (("DenseNet121", "s2", 3, 28), "at least 29 px"),
        (("ResNet18", "all", 3), "B1 has no published mean"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(UsageError, match=message):
        s12.build_model(*arguments)


def test_no_saved_model(tmp_path):
    with pytest.raises(MissingError, match="no such file"):
        s12.load_model(tmp_path / "absent.keras")
