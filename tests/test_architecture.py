import ast
import pathlib
import subprocess
import sys

from tests.conftest import REPOSITORY

# The floors of CONTRIBUTING.md.
FLOORS = {
    1: "errors bands landcover splits storage",
    2: "patches records manifest statistics synthetic transforms metrics optimizers models",
    3: "tasks runs",
    4: "pipeline serving planning conversion",
    5: "training evaluation baselines report",
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
PACKAGE = REPOSITORY / "sen12ms_tf"


def _imports(path: pathlib.Path) -> set[str]:
    """Dotted names of everything that a module imports, wherever it does."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _room(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "sen12ms_tf" and len(parts) > 1 else None


def _modules() -> dict[pathlib.Path, str]:
    return {
        path: path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for path in PACKAGE.rglob("*.py")
        if path != PACKAGE / "__init__.py"
    }


def test_every_room_has_its_floor():
    assert set(_modules().values()) == set(FLOOR_OF)
    for floor, rooms in FLOORS.items():
        line = next(
            each
            for each in (REPOSITORY / "CONTRIBUTING.md").read_text().splitlines()
            if each.startswith(f"| {floor} |")
        )
        assert sorted(line.replace("models/", "models").split("`")[1::2]) == sorted(rooms.split())


def test_rooms_import_from_their_floor_or_below_without_circles():
    uses: dict[str, set[str]] = {room: set() for room in FLOOR_OF}
    for path, room in _modules().items():
        for name in _imports(path):
            used = _room(name)
            if used in FLOOR_OF and used != room:
                assert FLOOR_OF[used] <= FLOOR_OF[room], f"{path} imports {name} from above"
                uses[room].add(used)

    def reached(room, seen):
        for used in uses[room] - seen:
            seen.add(used)
            reached(used, seen)
        return seen

    assert not [room for room in uses if room in reached(room, set())]


def test_each_heavy_import_has_its_rooms():
    allowed = {
        "rasterio": {"patches"},
        "tensorflow_io": {"storage"},
        "matplotlib": {"report"},
    }
    for path, room in _modules().items():
        held = {name.split(".")[0] for name in _imports(path)}
        for package, rooms in allowed.items():
            assert package not in held or room in rooms, f"{path} imports {package}"
        assert room != "models" or "tensorflow" not in held, path


def test_importing_the_package_is_cheap_and_silent():
    code = (
        "import sys, sen12ms_tf\n"
        "heavy = {'tensorflow', 'keras', 'rasterio', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_face_of_the_package():
    import sen12ms_tf as s12

    names = {"train_dataset", "eval_dataset", "build_model", "load_model", "task", "read_manifest"}
    assert set(s12.__all__) == names | {"__version__"}
    assert all(callable(getattr(s12, name)) for name in names)
