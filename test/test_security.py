"""Nothing from outside is executed, and the SROS 2 policy says what the nodes really do."""

import ast
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from support.paths import ROOT
from support.ros import DEMO_BAG, SHARE, graph

# Sources that run programs or objects out of data.

FORBIDDEN_MODULES = {
    'pickle',
    '_pickle',
    'cPickle',
    'dill',
    'cloudpickle',
    'joblib',
    'marshal',
    'shelve',
    'code',
    'codeop',
    'runpy',
}
FORBIDDEN_NAMES = {'eval', 'exec', 'compile', '__import__'}
FORBIDDEN_CALLS = {
    'os.system',
    'os.popen',
    'yaml.load',
    'yaml.unsafe_load',
    'yaml.full_load',
    'pandas.read_pickle',
    'pd.read_pickle',
}
# An argument that must be given, and its value.
NEEDED = {
    'np.load': ('allow_pickle', False),
    'numpy.load': ('allow_pickle', False),
    'torch.load': ('weights_only', True),
}
MAY_UNPICKLE = {
    Path('training/datasets/importers/pyskl.py')
}  # with an unpickler that lets in arrays only


def dangers(source: str, may_unpickle: bool = False) -> list[str]:
    """Return what in a source could execute what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not may_unpickle:
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or '']
            )
            found += [
                f'import {name}' for name in names if name.split('.')[0] in FORBIDDEN_MODULES
            ]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in FORBIDDEN_NAMES | FORBIDDEN_CALLS or given.get('shell', 'False') != 'False':
            found.append(f'{name}(...)')
        if may_unpickle and name.startswith('pickle.'):
            found.append(f'{name}(...)')
        if name in NEEDED and given.get(NEEDED[name][0]) != str(NEEDED[name][1]):
            found.append(f'{name} without {NEEDED[name][0]}={NEEDED[name][1]}')
    return found


def sources() -> list[Path]:
    python = [
        path
        for folder in ('bharnet_ros', 'training', 'launch')
        for path in (ROOT / folder).rglob('*.py')
    ]
    return [*python, ROOT / 'setup.py', *(ROOT / 'scripts').iterdir()]


def test_nothing_that_is_read_is_unpickled_or_executed():
    found = {
        str(path.relative_to(ROOT)): dangers(
            path.read_text(), path.relative_to(ROOT) in MAY_UNPICKLE
        )
        for path in sources()
    }
    assert len(found) > 60 and set(map(str, MAY_UNPICKLE)) <= set(found)
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    'source',
    [
        'import pickle',
        'from pickle import loads',
        'import joblib.memory',
        'eval(text)',
        'exec(open(path).read())',
        'np.load(path)',
        'np.load(path, allow_pickle=True)',
        'np.load(path, allow_pickle=asked)',
        'torch.load(path)',
        'torch.load(path, weights_only=False)',
        'yaml.load(text, Loader=yaml.Loader)',
        'subprocess.run(text, shell=True)',
        'os.system(text)',
        '__import__(name)',
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert dangers(source)


def test_even_the_importer_of_pickles_calls_no_plain_pickle():
    assert dangers('import pickle\npickle.load(file)', may_unpickle=True)
    assert not dangers('import pickle\nclass U(pickle.Unpickler): pass', may_unpickle=True)


# The policy. There is no `ros2 security` on the PyPI wheels: its schema is checked here.

POLICY = SHARE / 'config' / 'sros2' / 'bharnet_policy.xml'
CHILDREN = {
    'policy': {'enclaves'},
    'enclaves': {'enclave'},
    'enclave': {'profiles'},
    'profiles': {'profile'},
    'profile': {'topics', 'services', 'actions'},
    'topics': {'topic'},
    'services': {'service'},
    'actions': {'action'},
    'topic': set(),
    'service': set(),
    'action': set(),
}
RULES = {
    'topics': {'publish', 'subscribe'},
    'services': {'reply', 'request'},
    'actions': {'call', 'execute'},
}
ATTRIBUTES = {'policy': {'version'}, 'enclave': {'path'}, 'profile': {'ns', 'node'}}


@pytest.fixture(scope='module')
def enclaves():
    """The rules of each enclave: {path: {node: {(kind, verb): names}}}."""
    found = {}
    for enclave in ElementTree.parse(POLICY).getroot().iter('enclave'):
        profiles = found.setdefault(enclave.get('path'), {})
        for profile in enclave.iter('profile'):
            rules = profiles.setdefault(profile.get('node'), {})
            for group in profile:
                for verb in group.attrib:
                    rules.setdefault((group.tag, verb), set()).update(item.text for item in group)
    return found


def test_the_policy_has_the_form_that_sros2_reads():
    root = ElementTree.parse(POLICY).getroot()
    assert (root.tag, root.get('version')) == ('policy', '0.2.0')
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN[element.tag]
        assert len(element) or not CHILDREN[element.tag], f'{element.tag} is empty'
        if element.tag in RULES:
            assert element.attrib and set(element.attrib) <= RULES[element.tag]
            assert set(element.attrib.values()) == {'ALLOW'}
        else:
            assert set(element.attrib) == ATTRIBUTES.get(element.tag, set())
        if not CHILDREN[element.tag]:
            assert element.text.startswith('/') and '*' not in element.text


def test_images_stay_with_the_camera_and_keypoints_with_those_who_need_them(enclaves):
    def who(verb: str, *topics: str) -> set:
        return {
            path
            for path, nodes in enclaves.items()
            for rules in nodes.values()
            if rules.get(('topics', verb), set()) & set(topics)
        }

    images = ('/image', '/image/compressed', '/annotated', '/annotated/compressed')
    assert (
        who('publish', *images)
        == who('subscribe', *images)
        == {'/bharnet/camera', '/bharnet/composed'}
    )
    assert who('subscribe', '/keypoints') == {
        '/bharnet/recognition',
        '/bharnet/composed',
        '/bharnet/record',
    }


def test_composed_may_what_its_two_nodes_may(enclaves):
    assert enclaves['/bharnet/composed'] == (
        enclaves['/bharnet/camera'] | enclaves['/bharnet/recognition']
    )


def test_the_operator_may_ask_for_all_that_the_lifecycle_nodes_answer(enclaves):
    asked = enclaves['/bharnet/operator']['operator']['services', 'request']
    assert asked == {
        name
        for nodes in (enclaves['/bharnet/composed'],)
        for rules in nodes.values()
        for name in rules['services', 'reply']
    }


def used(node, name: str) -> dict:
    """Return what a node of the graph uses, by the kinds of the policy."""

    def names(found: list) -> set:
        return {item for item, _ in found}

    return {
        ('topics', 'publish'): names(node.get_publisher_names_and_types_by_node(name, '/')),
        ('topics', 'subscribe'): names(node.get_subscriber_names_and_types_by_node(name, '/')),
        ('services', 'reply'): names(node.get_service_names_and_types_by_node(name, '/')),
    }


@pytest.mark.graph
def test_the_policy_names_just_what_the_nodes_use(enclaves, tmp_path):
    policy = {
        node: rules
        for path in ('camera', 'recognition', 'replay', 'record')
        for node, rules in enclaves[f'/bharnet/{path}'].items()
    }
    with graph() as ros:
        ros.start_camera(source='topic', use_sim_time=True)
        ros.start('recognition_node', autostart=True, use_sim_time=True)
        ros.start('replay_node', bag=DEMO_BAG, loop=True, use_sim_time=True)
        ros.start('record_node', bag=tmp_path / 'bag', use_sim_time=True)
        found: dict[str, dict] = {}

        def look() -> bool:
            """Collect; discovery may still go on, and the camera has two transports."""
            for name in set(policy) & set(ros.node.get_node_names()):
                for kind, names in used(ros.node, name).items():
                    found.setdefault(name, {}).setdefault(kind, set()).update(names)
            return found == policy

        for transport in ('raw', 'compressed'):
            assert ros.set('camera_node', image_transport=transport).successful
            ros.bring_up('camera_node')
            suffix = '/compressed' if transport == 'compressed' else ''
            ros.wait(
                lambda suffix=suffix: (
                    look()
                    or f'/image{suffix}'
                    in found.get('camera_node', {}).get(('topics', 'subscribe'), ())
                ),
                transport,
            )
            for verb in ('deactivate', 'cleanup'):
                assert ros.change_state('camera_node', verb)
        try:
            ros.wait(look, 'agreement of policy and graph', 15)
        except AssertionError:
            assert found == policy
