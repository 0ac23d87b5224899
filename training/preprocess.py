"""From raw keypoints to network features. Exported with the network, so the robot runs it too."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bharnet_ros.layouts import LAYOUTS

EPS = 1e-4


@dataclass(frozen=True)
class PreprocessConfig:
    """What of the raw keypoints the network sees."""

    body_layout: str = 'mediapipe_upper_11'  # joints gathered from the detector's 33
    hand_layout: str = 'mediapipe_hand_21'
    body_depth: bool = False  # z of the pose model: noisy, and tied to the camera's distance
    hand_depth: bool = True


def masked_mean(values: Tensor, mask: Tensor, dim: int) -> Tensor:
    """Mean of `values` over `dim` where `mask` is 1 (mask broadcasts); 0 where it never is."""
    return (values * mask).sum(dim, keepdim=True) / mask.sum(dim, keepdim=True).clamp(min=1.0)


def motion(points: Tensor, mask: Tensor) -> Tensor:
    """Next step minus current along dim 2 (T), last 0; 0 unless seen in both. (N, C, T, ...)."""
    step = (points[:, :, 1:] - points[:, :, :-1]) * mask[:, :, 1:] * mask[:, :, :-1]
    return nn.functional.pad(step, [0, 0] * (points.ndim - 3) + [0, 1])


class Preprocess(nn.Module):
    """Centre, scale, derive bones and motion, apply masks.

    Body: joints relative to the neck's mean place in the clip, in mean shoulder widths. Hands:
    the left one mirrored, so that both are right hands to a shared network; joints relative to
    the wrist in mean palm sizes (shape), and all hand joints in the body's frame (place). One
    shift and one scale a clip, no rotation: motion is left as it was seen. Each gets bones (joint
    minus parent) and motion (next minus current) as further channels, and its mask.

    Outputs: body (N, C_b, T, V_b, 1), hands (N, C_h, T, V_h, 2) with left first, and the masks
    (N, 1, T, 1, 1) and (N, 1, T, 1, 2).
    """

    def __init__(self, config: PreprocessConfig):
        super().__init__()
        body, hand = LAYOUTS[config.body_layout], LAYOUTS[config.hand_layout]
        self.register_buffer('gather', torch.tensor(body.gather), persistent=False)
        self.register_buffer('body_parents', torch.tensor(body.parents), persistent=False)
        self.register_buffer('hand_parents', torch.tensor(hand.parents), persistent=False)
        self.register_buffer('flip', torch.tensor([-1.0, 1.0, 1.0]), persistent=False)
        self.neck = body.index('neck')
        self.shoulders = body.index('left_shoulder'), body.index('right_shoulder')
        self.palm = [(hand.index('wrist'), hand.index(f'{finger}_1'))
                     for finger in ('index', 'middle', 'pinky')]
        self.body_dims = 3 if config.body_depth else 2
        self.hand_dims = 3 if config.hand_depth else 2
        self.body_channels = 3 * self.body_dims + 1
        self.hand_channels = 2 * self.hand_dims + 4 + 1

    def forward(self, body: Tensor, left_hand: Tensor, right_hand: Tensor, mask: Tensor,
                aspect: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Take raw clips.

        body (N, T, 33, 4), hands (N, T, 21, 3), mask (N, T, 3), aspect (N,).
        """
        ones = torch.ones_like(aspect)
        to_widths = torch.stack([ones, aspect, ones], -1)[:, None, None]  # (N, 1, 1, 3)
        body_mask = mask[:, :, 0, None, None]  # (N, T, 1, 1)
        joints = (self.gather @ body[..., :3]) * to_widths  # (N, T, V_b, 3)

        centre = masked_mean(joints[:, :, self.neck, None], body_mask, 1)  # (N, 1, 1, 3)
        left, right = (joints[:, :, s, None, :2] for s in self.shoulders)
        width = (left - right).square().sum(-1, keepdim=True).clamp(min=EPS ** 2).sqrt()
        scale = masked_mean(width, body_mask, 1).clamp(min=EPS)  # (N, 1, 1, 1)
        # Depth of the pose model is relative to the hips already; only x and y are centred.
        joints = (joints - centre * torch.tensor([1.0, 1.0, 0.0], device=body.device)) / scale
        joints = joints[..., :self.body_dims] * body_mask
        body_bones = joints - joints[:, :, self.body_parents]
        body_motion = motion(joints.permute(0, 3, 1, 2), body_mask.permute(0, 3, 1, 2))
        body_features = torch.cat([
            joints.permute(0, 3, 1, 2), body_bones.permute(0, 3, 1, 2), body_motion,
            body_mask.permute(0, 3, 1, 2).expand(-1, 1, -1, joints.shape[2]),
        ], 1)[..., None]

        hands, masks = [], []
        for hand, side, sign in ((left_hand, 1, self.flip), (right_hand, 2, None)):
            hand_mask = mask[:, :, side, None, None]
            points = hand * to_widths
            place = (points - centre * torch.tensor([1.0, 1.0, 0.0], device=body.device)) / scale
            palms = torch.stack([(points[:, :, a] - points[:, :, b]).square().sum(-1)
                                 .clamp(min=EPS ** 2).sqrt() for a, b in self.palm], -1)
            palm = masked_mean(palms.mean(-1, keepdim=True)[..., None], hand_mask, 1)
            shape = (points - points[:, :, :1]) / palm.clamp(min=EPS)
            if sign is not None:
                place, shape = place * sign, shape * sign
            shape = (shape * hand_mask)[..., :self.hand_dims].permute(0, 3, 1, 2)
            place = (place * hand_mask)[..., :2].permute(0, 3, 1, 2)
            channel_mask = hand_mask.permute(0, 3, 1, 2)  # (N, 1, T, 1)
            hands.append(torch.cat([
                shape, shape - shape[..., self.hand_parents],
                place, motion(place, channel_mask),
                channel_mask.expand(-1, 1, -1, points.shape[2]),
            ], 1))
            masks.append(channel_mask)
        return (body_features, torch.stack(hands, -1),
                body_mask.permute(0, 3, 1, 2)[..., None], torch.stack(masks, -1))
