"""Tiny fabricated data, made once a session: a sample of odd-sized patches and its conversion."""

import os
import pathlib
import subprocess
import sys

import pytest

# Before TensorFlow is imported by any test.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

REPOSITORY = pathlib.Path(__file__).parents[1]
REAL_TRIPLETS = REPOSITORY.parent / "shared" / "data" / "real_triplets"

# Odd, and neither a divisor nor a multiple of the 50 px of a land-cover block.
PATCH_SIZE = 33
PATCHES_PER_SCENE = 2


@pytest.fixture(scope="session")
def sample_dir(tmp_path_factory) -> pathlib.Path:
    """A synthetic copy of SEN12MS: two patches of 33 px in each scene."""
    from sen12ms_tf import synthetic

    # A root whose name looks like a sensor folder must not confuse anything.
    root = tmp_path_factory.mktemp("x") / "s2_data" / "s1_x"
    list(synthetic.write_sample(root, PATCHES_PER_SCENE, PATCH_SIZE, seed=7))
    return root


@pytest.fixture(scope="session")
def records_dir(sample_dir, tmp_path_factory) -> pathlib.Path:
    """The converted sample, in several shards a split."""
    from sen12ms_tf import conversion, planning

    output = tmp_path_factory.mktemp("records") / "sen12ms"
    options = planning.Options(shard_megabytes=1)
    conversion.convert(planning.plan_conversion(sample_dir, output, options=options), 1)
    return output


@pytest.fixture(scope="session")
def real_triplets() -> pathlib.Path:
    """Real Sentinel imagery in the layout of SEN12MS; not part of the repository."""
    if not REAL_TRIPLETS.is_dir():
        pytest.skip(f"no real triplets at {REAL_TRIPLETS}")
    return REAL_TRIPLETS


@pytest.fixture(scope="session")
def run_tool():
    """Runs a tool in a process of its own, from a directory that is not the repository."""

    def run(name: str, *arguments: str, cwd=None) -> subprocess.CompletedProcess:
        command = [sys.executable, str(REPOSITORY / "tools" / f"{name}.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd or "/", check=False)

    return run


@pytest.fixture
def changed_copy(records_dir, tmp_path):
    """A function: the converted sample's shards under a manifest with other fields."""
    import dataclasses

    from sen12ms_tf.manifest import MANIFEST_FILE, read_manifest, write_manifest
    from sen12ms_tf.storage import as_path

    def copy(**change) -> pathlib.Path:
        output = tmp_path / "changed"
        output.mkdir()
        for path in records_dir.iterdir():
            if path.name != MANIFEST_FILE:
                (output / path.name).symlink_to(path)
        write_manifest(as_path(output), dataclasses.replace(read_manifest(records_dir), **change))
        return output

    return copy
