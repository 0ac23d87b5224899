"""BHaRNet: a body and a hand skeleton stream that cooperate.

Cho and Kim, arXiv 2503.14960 (IROS 2025) and arXiv 2601.00369. No official code exists. What the
papers leave open is our proposal; docs/model.md lists which is which.

Two switches make the variants: `pool` (how a stream is pooled) and `experts` (branches that never
see the other stream).

    pool   experts   variant
    gap    0         base: global average pooling
    pam    0         P: pooling attention
    gap    > 0       E: interactive and expertized branches, cross-attention over time
    pam    > 0       both

The fourth variant, M, adds pictures to any of these: see picture.py.

Tensor letters: N clips, C channels, T time steps, V joints, I instances (persons or hands), K
classes.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .attention import PoolingAttention, axis_tokens, pooled_mean, shrink_mask
from .backbones import GcnConfig, GcnStream
from .fusion import FUSIONS, fuse
from .picture import PictureConfig, PictureStream
from .preprocess import Preprocess, PreprocessConfig, UnifiedPreprocess


def full_precision(like: Tensor) -> AbstractContextManager:
    """Suspend mixed precision, if it is on: half of it is too coarse for raw coordinates."""
    kind = like.device.type
    if torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()  # exporting: no trace of it in the graph


@dataclass(frozen=True)
class ModelConfig:
    """Which network: streams, pooling, fusion, preprocessing."""

    body: GcnConfig | None = field(default_factory=GcnConfig)  # null: hands only
    hand: GcnConfig | None = field(default_factory=GcnConfig)  # null: body only
    unified: GcnConfig | None = None  # one graph of body and hands instead of two streams
    pool: str = 'gap'  # 'gap', 'pam'
    experts: int = 0  # blocks of each branch at the end of a stream; 0: no expertized branches
    fusion: str = 'sum'  # 'sum', 'noisy_or'
    body_weight: float = 1.0  # of the body's logits in the fusion; the hands' weigh 1
    attention_width: int = 32
    attention_heads: int = 4
    attention_drop: float = 0.0  # share of training clips in which streams do not see each other
    dropout: float = 0.2
    picture: PictureConfig | None = None  # M: small pictures beside the skeletons
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)

    def __post_init__(self):
        if self.pool not in ('gap', 'pam'):
            raise ValueError(f"pool is 'gap' or 'pam', not {self.pool!r}")
        if self.fusion not in FUSIONS:
            raise ValueError(f'fusion is one of {", ".join(FUSIONS)}, not {self.fusion!r}')
        if not self.body_weight > 0:
            raise ValueError(
                f'body_weight is a positive number, not {self.body_weight}; '
                'body: null leaves the body out'
            )
        if not 0 <= self.attention_drop <= 1:
            raise ValueError(f'attention_drop is a share from 0 to 1, not {self.attention_drop}')
        if self.unified is not None and (self.body is not None or self.hand is not None):
            raise ValueError('a unified graph has no body and hand streams: set both to null')
        if not self.streams:
            raise ValueError('a model needs a body stream, a hand stream, both, or a unified one')
        if self.picture is not None and self.body is None:
            raise ValueError('the body stream guides the pictures, and body is null')
        if len(self.streams) == 1 and (self.pool == 'pam' or self.experts):
            raise ValueError(
                "pool 'pam' and experts let two streams attend to each other; one is missing"
            )

    @property
    def streams(self) -> dict[str, GcnConfig]:
        """The streams that the model has, by name."""
        named = {'body': self.body, 'hand': self.hand, 'unified': self.unified}
        return {name: stream for name, stream in named.items() if stream is not None}


@dataclass(frozen=True)
class Logits:
    """Class logits of a batch, (N, K) each; a stream that the model lacks is None.

    `fused` is the answer (with Noisy-OR these are log-probabilities, whose softmax is
    themselves). With experts, `body` and `hand` are the interactive branches', as trained.
    `embedding` (N, E) is what the classes are read off: the streams' pooled features, each of unit
    length, side by side.
    """

    fused: Tensor
    body: Tensor | None
    hand: Tensor | None
    embedding: Tensor
    picture: Tensor | None = None

    @property
    def streams(self) -> dict[str, Tensor]:
        """The logits of each stream that there is."""
        named = {'body': self.body, 'hand': self.hand, 'picture': self.picture}
        return {name: z for name, z in named.items() if z is not None}

    def trained(self) -> dict[str, Tensor]:
        """Return the logits that get a loss; `fused` says nothing new with a single stream.

        Beside pictures all others are frozen.
        """
        if self.picture is not None:
            return {'picture': self.picture}
        return self.streams if len(self.streams) == 1 else self.all()

    def all(self) -> dict[str, Tensor]:
        """Return all logits that there are."""
        return self.streams | {'fused': self.fused}


def embedded(pooled: Iterable[Tensor]) -> Tensor:
    """Return the (N, C) features of each stream at unit length, side by side; 0 of the unseen."""
    return torch.cat([normalize(x.float(), dim=1) for x in pooled], 1)


def _on_seen(stream: GcnStream, x: Tensor, mask: Tensor) -> Tensor:
    """Run a stream on the instances that were seen at all; zeros for the others.

    They are masked later on. In training a hand that nobody saw would cost as much as another, and
    its zeros would enter the statistics of every normalisation.
    """
    instances = x.permute(0, 4, 1, 2, 3).flatten(0, 1)[..., None]  # (N * I, C, T, V, 1)
    seen = mask.amax((1, 2, 3)).flatten() > 0
    if not seen.any():
        return stream(x)
    y = stream(instances[seen])
    every = y.new_zeros(len(seen), *y.shape[1:4])
    every[seen] = y[..., 0]
    return every.unflatten(0, (x.shape[0], -1)).permute(0, 2, 3, 4, 1)


class BHaRNet(nn.Module):
    """Body stream, hand stream, and their fusion; or either of them alone."""

    def __init__(self, config: ModelConfig, classes: int):
        super().__init__()
        self.config = config
        self.preprocess = Preprocess(config.preprocess)
        layouts = {'body': self.preprocess.body_layout, 'hand': self.preprocess.hand_layout}
        channels = {'body': self.preprocess.body_channels, 'hand': self.preprocess.hand_channels}
        self.streams, self.heads = nn.ModuleDict(), nn.ModuleDict()
        self.branches, self.experts, self.expert_heads = (nn.ModuleDict() for _ in range(3))
        for name, stream in config.streams.items():
            self.streams[name] = GcnStream(layouts[name], channels[name], stream, config.experts)
            self.branches[name] = self.streams[name].branch()
            self.heads[name] = nn.Linear(stream.channels[-1], classes)
            if config.experts:
                self.experts[name] = self.streams[name].branch()
                self.expert_heads[name] = nn.Linear(stream.channels[-1], classes)
        self.dropout = nn.Dropout(config.dropout)
        self.attention = nn.ModuleDict()
        if config.pool == 'pam' or config.experts:
            axes = 'TVI' if config.pool == 'pam' else 'T'
            for own, other in (('body', 'hand'), ('hand', 'body')):
                self.attention[own] = PoolingAttention(
                    *(config.streams[name].channels[-1] for name in (own, other)),
                    config.attention_width,
                    config.attention_heads,
                    axes,
                    config.attention_drop,
                )

    def features(
        self, body: Tensor, left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Return for each stream its stem's (N, C, T, V, I) and the input mask (N, 1, T, 1, I)."""
        with full_precision(body):
            x = self.preprocess(body, left_hand, right_hand, mask, aspect)
        inputs = {'body': (x.body, x.body_mask), 'hand': (x.hand, x.hand_mask)}
        run = _on_seen if self.training else lambda stream, x, _: stream(x)
        return {
            name: (run(stream, *inputs[name]), inputs[name][1])
            for name, stream in self.streams.items()
        }

    def forward(
        self, body: Tensor, left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
    ) -> Logits:
        """Raw clips as `Preprocess.forward` takes them, to logits."""
        return self.classify(self.features(body, left_hand, right_hand, mask, aspect))

    def classify(self, stems: dict[str, tuple[Tensor, Tensor]]) -> Logits:
        """Return the logits of what `features` gave."""
        outputs, masks = {}, {}
        for name, (x, seen) in stems.items():
            outputs[name] = self.branches[name](x)
            masks[name] = shrink_mask(seen, outputs[name].shape[2])
        if self.attention:
            tokens = {name: axis_tokens(x, masks[name]) for name, x in outputs.items()}
            pooled = {
                'body': self.attention['body'](tokens['body'], tokens['hand']),
                'hand': self.attention['hand'](tokens['hand'], tokens['body']),
            }
        else:
            pooled = {name: pooled_mean(x, masks[name]) for name, x in outputs.items()}
        logits = {name: self.heads[name](self.dropout(x)) for name, x in pooled.items()}
        votes = logits
        if self.experts:
            votes = {}
            for name, (x, _) in stems.items():
                private = pooled_mean(self.experts[name](x), masks[name])
                votes[name] = logits[name] + self.expert_heads[name](self.dropout(private))
        if len(votes) == 1:
            fused = next(iter(votes.values()))
        else:
            with full_precision(votes['body']):
                fused = fuse(
                    [votes['body'].float(), votes['hand'].float()],
                    [self.config.body_weight, 1.0],
                    self.config.fusion,
                )
        return Logits(fused, logits.get('body'), logits.get('hand'), embedded(pooled.values()))


class GuidedNet(nn.Module):
    """M: a trained skeleton network, frozen, and pictures that its body stream guides.

    After MMNet's scheme, of which the papers only say that they follow it (docs/model.md).
    """

    def __init__(self, skeleton: BHaRNet, config: ModelConfig, classes: int):
        """Args: the skeleton network is that of `config` without pictures."""
        super().__init__()
        self.config = config
        self.skeleton = skeleton.eval().requires_grad_(False)
        self.picture = PictureStream(config.picture, skeleton.preprocess.body_layout, classes)

    def train(self, mode: bool = True) -> 'GuidedNet':
        """See nn.Module; the skeleton network stays as it was trained."""
        super().train(mode)
        self.skeleton.eval()
        return self

    def forward(
        self,
        body: Tensor,
        left_hand: Tensor,
        right_hand: Tensor,
        mask: Tensor,
        aspect: Tensor,
        crops: Tensor,
    ) -> Logits:
        """Raw clips as `Preprocess.forward` takes them, and crops (N, K, R, S, S, 3) uint8."""
        skeleton = self.skeleton
        with torch.no_grad():
            stems = skeleton.features(body, left_hand, right_hand, mask, aspect)
            told = skeleton.classify(stems)
            last = skeleton.branches['body'](stems['body'][0])
        seen, pooled = self.picture(crops, last)
        with full_precision(body):
            fused = fuse(
                [told.fused.float(), seen.float()],
                [1.0, self.config.picture.weight],
                self.config.picture.fusion,
            )
        embedding = torch.cat([told.embedding, embedded([pooled])], 1)
        return Logits(fused, told.body, told.hand, embedding, seen)


class UnifiedNet(nn.Module):
    """The baseline that BHaRNet argues against: one GCN over all joints of body and hands."""

    def __init__(self, config: ModelConfig, classes: int):
        super().__init__()
        self.config = config
        self.preprocess = UnifiedPreprocess(config.preprocess)
        self.stream = GcnStream(
            self.preprocess.layout, self.preprocess.body_channels, config.unified
        )
        self.head = nn.Linear(config.unified.channels[-1], classes)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, body: Tensor, left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
    ) -> Logits:
        """Raw clips as `Preprocess.forward` takes them, to logits."""
        with full_precision(body):
            x, seen = self.preprocess(body, left_hand, right_hand, mask, aspect)
        x = self.stream(x)
        pooled = pooled_mean(x, shrink_mask(seen, x.shape[2]))
        return Logits(self.head(self.dropout(pooled)), None, None, embedded([pooled]))


class Ensemble(nn.Module):
    """Several networks for the same input, such as J, B, JM and BM: weighted sum of log-scores."""

    def __init__(self, members: list[nn.Module], weights: list[float]):
        super().__init__()
        if len(members) != len(weights) or not members or min(weights) <= 0:
            raise ValueError(
                f'{len(members)} members and weights {weights}: give one positive weight for each'
            )
        self.members = nn.ModuleList(members)
        self.register_buffer('weights', torch.tensor(weights) / sum(weights))

    def forward(
        self,
        body: Tensor,
        left_hand: Tensor,
        right_hand: Tensor,
        mask: Tensor,
        aspect: Tensor,
        crops: Tensor | None = None,
    ) -> Logits:
        """Raw clips as `GuidedNet.forward` takes them, to fused logits.

        Members that look at skeletons alone get no crops.
        """
        inputs = (body, left_hand, right_hand, mask, aspect)
        answers = [
            member(*inputs, crops) if isinstance(member, GuidedNet) else member(*inputs)
            for member in self.members
        ]
        fused = [answer.fused.log_softmax(-1) for answer in answers]
        return Logits(
            sum(w * z for w, z in zip(self.weights, fused, strict=True)),
            None,
            None,
            torch.cat([answer.embedding for answer in answers], 1),
        )


def build(config: ModelConfig, classes: int) -> nn.Module:
    """Return the network of a configuration."""
    if config.picture is not None:
        skeleton = replace(config, picture=None)
        return GuidedNet(BHaRNet(skeleton, classes), config, classes)
    return (BHaRNet if config.unified is None else UnifiedNet)(config, classes)
