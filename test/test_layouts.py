import numpy as np
import pytest

from bharnet_ros.layouts import DETECTOR_LAYOUTS, LAYOUTS

every_layout = pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)


@every_layout
def test_mirroring_twice_changes_nothing(layout):
    mirror = np.array(layout.mirror)
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(layout)))


@every_layout
def test_mirror_moves_exactly_the_joints_that_have_a_side(layout):
    for joint, other in zip(layout.joints, layout.mirror, strict=True):
        words = joint.split('_')
        assert (layout.joints[other] != joint) == ('left' in words or 'right' in words)


@every_layout
def test_joint_names_are_unique(layout):
    assert len(set(layout.joints)) == len(layout)


@every_layout
def test_bones_form_one_tree(layout):
    parents = layout.parents
    roots = [v for v, parent in enumerate(parents) if v == parent]
    assert len(roots) == 1
    assert len(layout.bones) == len(layout) - 1
    for v in range(len(layout)):
        steps = 0
        while v != parents[v]:
            v, steps = parents[v], steps + 1
            assert steps < len(layout), 'the bones form a cycle'
        assert v == roots[0]


@every_layout
def test_mirror_maps_bones_to_bones(layout):
    bones = {(v, parent) for v, parent in enumerate(layout.parents)}
    assert {(layout.mirror[a], layout.mirror[b]) for a, b in bones} == bones


@every_layout
def test_extra_edges_repeat_no_bone(layout):
    undirected = [frozenset(edge) for edge in layout.edges]
    assert len(set(undirected)) == len(undirected)


@every_layout
def test_gathered_joints_are_means(layout):
    np.testing.assert_allclose(layout.gather.sum(1), 1, rtol=1e-6)
    assert (layout.gather >= 0).all()


@every_layout
def test_a_subset_mirrors_as_its_base_does(layout):
    base = LAYOUTS[layout.base] if layout.base else layout
    points = np.random.default_rng(0).random((len(base), 3), np.float32)
    np.testing.assert_allclose(
        (layout.gather @ points)[list(layout.mirror)],
        layout.gather @ points[list(base.mirror)],
        rtol=1e-6,
    )


@every_layout
def test_a_joint_of_the_same_name_is_the_same_joint(layout):
    if not layout.base:
        np.testing.assert_array_equal(layout.gather, np.eye(len(layout)))
        return
    base = LAYOUTS[layout.base]
    for joint in set(layout.joints) & set(base.joints):
        np.testing.assert_array_equal(
            layout.gather[layout.index(joint)], np.eye(len(base))[base.index(joint)]
        )


def test_midpoints_lie_between_both_sides():
    layout = LAYOUTS['mediapipe_body_18']
    base = LAYOUTS[layout.base]
    points = np.random.default_rng(0).random((33, 3), np.float32)
    joints = layout.gather @ points
    for middle, side in (('neck', 'shoulder'), ('pelvis', 'hip')):
        ends = [points[base.index(f'{word}_{side}')] for word in ('left', 'right')]
        np.testing.assert_allclose(joints[layout.index(middle)], np.mean(ends, 0), rtol=1e-6)


def test_unknown_joints_are_refused():
    with pytest.raises(ValueError):
        LAYOUTS['mediapipe_pose_33'].index('tail')


def test_detector_layouts_are_built_of_known_layouts():
    for layout in DETECTOR_LAYOUTS.values():
        assert LAYOUTS[layout.body.name] is layout.body
        assert LAYOUTS[layout.hand.name] is layout.hand


def test_mediapipe_joint_numbers_are_the_published_ones():
    pose, hand = LAYOUTS['mediapipe_pose_33'], LAYOUTS['mediapipe_hand_21']
    published = {
        'nose': 0,
        'left_shoulder': 11,
        'right_shoulder': 12,
        'left_wrist': 15,
        'right_wrist': 16,
        'left_hip': 23,
        'right_ankle': 28,
        'right_foot_index': 32,
    }
    assert {joint: pose.index(joint) for joint in published} == published
    assert [hand.index(joint) for joint in ('wrist', 'thumb_4', 'index_1', 'pinky_4')] == [
        0,
        4,
        5,
        20,
    ]
