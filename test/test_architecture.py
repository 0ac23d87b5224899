"""Who may import whom, and who owns which heavy library; docs/architecture.md draws it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

# Floors from the ground up; a module imports from its own room and from floors below, no others.
RUNTIME = (
    {'errors', 'layouts'},
    {'system'},
    {'types', 'config'},
    {'sources', 'bags', 'outputs', 'inference'},
    {'detectors', 'recognition'},
    {'session', 'client', 'teaching'},
    {'nodes', 'studio'},
    {'tools'},
)
TRAINING = (
    {'errors', 'countdown', 'lettering'},
    {'datasets', 'networks', 'vocabulary'},
    {'windows'},
    {'recipe', 'callbacks', 'threads'},
    {'preflight', 'run_files'},
    {'train'},
    {'runs'},
    {'evaluation'},
    {'bank'},
    {'export'},
    {'online'},
    {'tools'},
    {'verbs'},
    {'cli'},
    {'__main__'},
)
OWNERS = {  # of a library: the rooms that may import it
    'rclpy': {'client', 'nodes', 'tools'},
    'mediapipe': {'detectors'},
    'onnxruntime': {'system'},  # `inference` and training take it from system/onnxruntime.py
    'tflite': {'detectors'},
    'onnx': {'detectors'},
    'scipy': {'detectors'},
    'rosbags': {'bags'},
    'av': {'sources', 'outputs'},
    'cv2': {'system'},  # everybody else takes it from system/opencv.py
    'ament_index_python': {'system', 'nodes', 'tools'},
    'nicegui': {'studio'},
    'fastapi': {'studio'},
    'uvicorn': {'studio'},
    'torch': set(),
    'lightning': set(),
}


def imports(file: Path, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the full dotted names that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = '.'.join((*base, *filter(None, [node.module])))
            yield from (f'{module}.{alias.name}' for alias in node.names)


def modules(top: str, prefix: tuple[str, ...]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield path, room, and imports of every module below a folder of the source tree."""
    for file in sorted((ROOT / top).rglob('*.py')):
        parts = file.relative_to(ROOT / top).with_suffix('').parts
        yield str(file.relative_to(ROOT)), parts[0], list(imports(file, prefix + parts[:-1]))


def rooms_of(names: list[str], prefix: str) -> set[str]:
    """Return the rooms of a package that imported names belong to."""
    return {name[len(prefix) :].split('.')[0] for name in names if name.startswith(prefix)}


def test_runtime_imports_point_down():
    free = {'__init__', 'action', 'msg', 'srv', '__version__'}
    check('bharnet_ros', ('bharnet_ros',), RUNTIME, free)


def test_training_imports_point_down():
    check('training', ('bharnet_ros', 'training'), TRAINING, free={'__init__'})


def check(top: str, prefix: tuple[str, ...], floors: tuple[set[str], ...], free: set[str]):
    floor = {room: number for number, rooms in enumerate(floors) for room in rooms}
    wrong = []
    for path, room, names in modules(top, prefix):
        if room in free:
            continue
        assert room in floor, f'{path} is in no room of the plan: name its floor here'
        for other in rooms_of(names, '.'.join(prefix) + '.') - free - {room}:
            if floor.get(other, -1) >= floor[room]:
                wrong.append(f'{path} imports {other}')
            assert other in floor or other == 'training', f'{path} imports {other}: no such room'
    assert not wrong, '; '.join(wrong)


def test_training_uses_the_runtime_but_not_its_nodes():
    for path, _, names in modules('training', ('bharnet_ros', 'training')):
        assert 'nodes' not in rooms_of(names, 'bharnet_ros.'), path


def test_the_runtime_never_imports_training():
    for path, _, names in modules('bharnet_ros', ('bharnet_ros',)):
        assert 'training' not in rooms_of(names, 'bharnet_ros.'), path


@pytest.mark.parametrize('library', OWNERS)
def test_a_heavy_library_is_imported_by_its_owner_alone(library):
    for path, room, names in modules('bharnet_ros', ('bharnet_ros',)):
        if library in {name.split('.')[0] for name in names}:
            assert room in OWNERS[library], f'{path} imports {library}'


@pytest.mark.parametrize(('mark', 'floors'), [('tools\nnodes', RUNTIME), ('__main__\n', TRAINING)])
def test_the_drawings_of_the_documentation_are_those_floors(mark, floors):
    text = (ROOT / 'docs' / 'architecture.md').read_text()
    drawing = next(block for block in text.split('```')[1::2] if block.lstrip().startswith(mark))
    drawn = [set(line.split()) for line in drawing.strip().splitlines()]
    assert drawn == [set(floor) for floor in reversed(floors)]
