"""From raw keypoints to network features. Exported with the network, so the robot runs it too."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bharnet_ros.layouts import DATA_LAYOUTS, LAYOUTS, hands_joined

EPS = 1e-4
FEATURES = ('joint', 'bone', 'joint_motion', 'bone_motion')


@dataclass(frozen=True)
class PreprocessConfig:
    """What of the raw keypoints the network sees."""

    layout: str = 'mediapipe_holistic'  # of the raw keypoints, a name in layouts.DATA_LAYOUTS
    body_layout: str = 'mediapipe_upper_11'  # joints gathered from the raw body
    # J, B, JM, BM of the papers: one of them for a member of an ensemble, or several as channels
    features: tuple[str, ...] = ('joint', 'bone', 'joint_motion')
    body_depth: bool = False  # z; the pose model's is noisy and tied to the camera's distance
    hand_depth: bool = True
    # Turn metric bodies about the vertical so that the shoulders lie along x: the same from every
    # view. The second paper drops such a transformation; with few views to learn from it helps.
    canonical: bool = False

    def __post_init__(self):
        if self.layout not in DATA_LAYOUTS:
            raise ValueError(f'layout is one of {", ".join(DATA_LAYOUTS)}, not {self.layout!r}')
        raw = DATA_LAYOUTS[self.layout].body.name
        fitting = [name for name, graph in LAYOUTS.items() if (graph.base or name) == raw]
        if self.body_layout not in fitting:
            raise ValueError(
                f'body_layout for {self.layout} is one of {", ".join(fitting)}, '
                f'not {self.body_layout!r}'
            )
        if self.canonical and DATA_LAYOUTS[self.layout].space != 'metric':
            raise ValueError(f'canonical turns metric bodies; {self.layout} is in image space')
        if not self.features or not set(self.features) <= set(FEATURES):
            raise ValueError(
                f'features are some of {", ".join(FEATURES)}, not {list(self.features)}'
            )


@dataclass(frozen=True)
class Features:
    """What the streams get. Letters: N clips, C channels, T steps, V joints, I instances."""

    body: Tensor  # (N, C_b, T, V_b, P), an instance a person
    body_mask: Tensor  # (N, 1, T, 1, P), 1 where seen
    hand: Tensor  # (N, C_h, T, V_h, 2 P), left and right hand of the first person, of the second
    hand_mask: Tensor  # (N, 1, T, 1, 2 P)


def masked_mean(values: Tensor, mask: Tensor, dim: int) -> Tensor:
    """Mean of `values` over `dim` where `mask` is 1 (mask broadcasts); 0 where it never is."""
    return (values * mask).sum(dim, keepdim=True) / mask.sum(dim, keepdim=True).clamp(min=1.0)


def motion(points: Tensor, mask: Tensor) -> Tensor:
    """Next step minus current along dim 2 (T), last 0; 0 unless seen in both. (N, P, T, ...)."""
    step = (points[:, :, 1:] - points[:, :, :-1]) * mask[:, :, 1:] * mask[:, :, :-1]
    return nn.functional.pad(step, [0, 0] * (points.ndim - 3) + [0, 1])


def length(vectors: Tensor) -> Tensor:
    """Norm over the last dimension, kept; its gradient is finite at 0."""
    return vectors.square().sum(-1, keepdim=True).clamp(min=EPS**2).sqrt()


class Preprocess(nn.Module):
    """Centre, scale, derive bones and motion, apply masks.

    Body: joints relative to the shoulders' mean middle in the clip, in mean shoulder widths, both
    of the first person, so that two persons keep their distance. Hands: the left one mirrored,
    so that both are right hands to a shared network; joints relative to the wrist in mean palm
    sizes (shape), and all hand joints in the body's frame (place; where hands and body are in
    different spaces, relative to the wrist's mean, in palm sizes). One shift and one scale a clip,
    no rotation but `canonical`, also one a clip: motion is left as it was seen.
    """

    def __init__(self, config: PreprocessConfig):
        super().__init__()
        self.config, raw = config, DATA_LAYOUTS[config.layout]
        self.body_layout, self.hand_layout = LAYOUTS[config.body_layout], raw.hand
        body, hand = self.body_layout, self.hand_layout
        self.metric = raw.space == 'metric'

        def buffer(name: str, value: torch.Tensor) -> None:
            self.register_buffer(name, value, persistent=False)

        buffer('gather', torch.tensor(body.gather))
        buffer('body_parents', torch.tensor(body.parents))
        buffer('hand_parents', torch.tensor(hand.parents))
        buffer('flip', torch.tensor([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))  # left, right hand
        # Depth in image space is relative to the person already; only x and y are centred there.
        buffer('centred', torch.tensor([1.0, 1.0, 1.0 if self.metric else 0.0]))
        self.shoulders = body.index('left_shoulder'), body.index('right_shoulder')
        buffer(
            'palm_ends',
            torch.tensor([hand.index(f'{finger}_1') for finger in ('index', 'middle', 'pinky')]),
        )
        self.dims = 3 if self.metric else 2  # in which shoulders have a width
        self.body_dims = 3 if config.body_depth else 2
        self.hand_dims = 3 if config.hand_depth else 2
        chosen = config.features
        self.body_channels = self.body_dims * len(chosen) + 1
        self.hand_channels = 1 + sum(
            {
                'joint': self.hand_dims + 2,
                'bone': self.hand_dims,
                'joint_motion': 2,
                'bone_motion': self.hand_dims,
            }[name]
            for name in chosen
        )

    def _stack(self, groups: dict[str, list[Tensor]], mask: Tensor) -> Tensor:
        """Stack chosen (N, P, T, V, c) features and the mask to (N, C, T, V, P)."""
        joints = groups['joint'][0].shape[3]
        parts = [part for name in self.config.features for part in groups[name]]
        stacked = torch.cat([*parts, mask.expand(-1, -1, -1, joints, -1)], -1)
        return stacked.permute(0, 4, 2, 3, 1)

    def frame(self, body: Tensor, mask: Tensor, aspect: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the factor to units of x (N, 1, 1, 1, 3), the centre (same), and the scale."""
        ones = torch.ones_like(aspect)
        to_widths = torch.stack([ones, aspect, ones], -1)[:, None, None, None]
        seen = mask[:, :1, :, 0, None, None]  # (N, 1, T, 1, 1), first person
        joints = (self.gather @ body[:, :1, ..., :3]) * to_widths
        left, right = (joints[:, :, :, s, None] for s in self.shoulders)
        centre = masked_mean((left + right) / 2, seen, 2) * self.centred
        scale = masked_mean(length((left - right)[..., : self.dims]), seen, 2)
        # Nobody seen: any scale will do, but not one that makes hands enormous.
        return (
            to_widths,
            centre,
            torch.where(seen.amax(2, keepdim=True) > 0, scale.clamp(min=EPS), 1.0),
        )

    def turned(self, joints: Tensor, mask: Tensor) -> Tensor:
        """Turn (N, P, T, V, 3) about y so that the first person's shoulders lie along x."""
        left, right = (joints[:, :1, :, s, None] for s in self.shoulders)
        across = masked_mean(left - right, mask[:, :1, :, 0, None, None], 2)
        across = across / length(across[..., ::2])
        cos, sin = across[..., :1], across[..., 2:]
        x, y, z = joints.split(1, -1)
        return torch.cat([cos * x + sin * z, y, cos * z - sin * x], -1)

    def forward(
        self, body: Tensor, left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
    ) -> Features:
        """Take raw clips.

        body (N, P, T, V, 3 or 4), hands (N, P, T, 21, 3), mask (N, P, T, 3), aspect (N,), for N
        clips of P persons; see window.Clip.
        """
        to_widths, centre, scale = self.frame(body, mask, aspect)
        body_mask = mask[..., 0, None, None]  # (N, P, T, 1, 1)
        joints = ((self.gather @ body[..., :3]) * to_widths - centre) / scale
        if self.config.canonical:
            joints = self.turned(joints, mask)
        joints = joints[..., : self.body_dims] * body_mask
        bones = joints - joints[..., self.body_parents, :]
        body_features = self._stack(
            {
                'joint': [joints],
                'bone': [bones],
                'joint_motion': [motion(joints, body_mask)],
                'bone_motion': [motion(bones, body_mask)],
            },
            body_mask,
        )

        # Both hands at once, as instances: half the operations that one after the other are.
        points = torch.stack([left_hand, right_hand], 2).flatten(1, 2) * to_widths
        hand_mask = mask[..., 1:].permute(0, 1, 3, 2).flatten(1, 2)[..., None, None]
        flip = self.flip.repeat(body.shape[1], 1)[:, None, None]  # (2 P, 1, 1, 3)
        wrists = points[..., :1, :]
        palms = length(points[..., self.palm_ends, :] - wrists).mean(-2, keepdim=True)
        palm = masked_mean(palms, hand_mask, 2).clamp(min=EPS)
        if self.metric:
            place = (points - masked_mean(wrists, hand_mask, 2)) / palm
        else:
            place = (points - centre) / scale
        seen_side = hand_mask * flip
        shape = ((points - wrists) / palm * seen_side)[..., : self.hand_dims]
        place = (place * seen_side)[..., :2]
        bones = shape - shape[..., self.hand_parents, :]
        hand_features = self._stack(
            {
                'joint': [shape, place],
                'bone': [bones],
                'joint_motion': [motion(place, hand_mask)],
                'bone_motion': [motion(bones, hand_mask)],
            },
            hand_mask,
        )
        return Features(
            body_features,
            body_mask.permute(0, 4, 2, 3, 1),
            hand_features,
            hand_mask.permute(0, 4, 2, 3, 1),
        )


class UnifiedPreprocess(Preprocess):
    """All joints of body and hands as one graph, all in the body's frame.

    The input of the unified-graph baseline: bones and motion as for the body, a mask channel that
    is a joint's own.
    """

    def __init__(self, config: PreprocessConfig):
        super().__init__(config)
        if self.metric:
            raise ValueError(
                'the unified graph needs body and hands in one space; '
                f'{config.layout} has them in two'
            )
        self.layout = hands_joined(self.body_layout, self.hand_layout)
        self.register_buffer('parents', torch.tensor(self.layout.parents), persistent=False)

    def forward(
        self, body: Tensor, left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take what `Preprocess` takes; return (N, C, T, V, P) and the mask (N, 1, T, 1, P)."""
        to_widths, centre, scale = self.frame(body, mask, aspect)
        joints = torch.cat([self.gather @ body[..., :3], left_hand, right_hand], 3)
        sizes = torch.tensor(
            [len(self.body_layout), *2 * [len(self.hand_layout)]], device=mask.device
        )
        seen = mask.repeat_interleave(sizes, -1)[..., None]  # (N, P, T, V, 1)
        joints = ((joints * to_widths - centre) / scale)[..., : self.body_dims] * seen
        bones = (joints - joints[..., self.parents, :]) * seen * seen[..., self.parents, :]
        groups = {
            'joint': [joints],
            'bone': [bones],
            'joint_motion': [motion(joints, seen)],
            'bone_motion': [motion(bones, seen)],
        }
        parts = [part for name in self.config.features for part in groups[name]]
        features = torch.cat([*parts, seen], -1).permute(0, 4, 2, 3, 1)
        return features, mask.amax(-1)[:, None, :, :, None].permute(0, 1, 3, 4, 2)
