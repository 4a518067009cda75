"""The network of tinder: gated delta nets and gated attention, 3 to 1, as in Qwen3.5; in float32.

Parameters have the names, shapes and meaning that `transformers` gives them in its qwen3_5 text
model, so that tools/fixtures/transforms.py turns both into GGUF, and either can check the other.
"""

import dataclasses

import torch
from torch import nn
from torch.nn import functional as F

from model import rope_table

CHUNK = 32  # tokens whose effect on each other is one triangular system


@dataclasses.dataclass(frozen=True)
class HybridShape:
    vocabulary: int = 2048
    hidden: int = 192
    feed_forward: int = 352
    layers: int = 8
    interval: int = 4        # each fourth layer attends, the others are delta nets
    heads: int = 3
    kv_heads: int = 1
    head_dim: int = 64
    rotary_dim: int = 16     # the first ones of a head
    rotary_sections: tuple = (3, 3, 2, 0)  # pairs for positions in time, height, width; text: alike
    key_heads: int = 2       # of a delta net; each serves value_heads / key_heads in a row
    value_heads: int = 6
    state_dim: int = 32      # of a key and of a value
    kernel: int = 4
    context: int = 2048
    rope_base: float = 10000.0
    epsilon: float = 1e-6

    @property
    def key_width(self):
        return self.key_heads * self.state_dim

    @property
    def value_width(self):
        return self.value_heads * self.state_dim


class OffsetNorm(nn.Module):
    """RMS norm whose weight is 1 + w."""

    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.epsilon = epsilon

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], 1.0 + self.weight, self.epsilon)


class GatedNorm(nn.Module):
    """RMS norm, then silu(gate) times it."""

    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x, gate):
        return F.rms_norm(x, x.shape[-1:], self.weight, self.epsilon) * F.silu(gate)


def unit(x):
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + 1e-6)


def gated_delta_rule(q, k, v, decay, beta):
    """S = exp(decay) S; S += k (beta (v - S^T k))^T; the output is S^T q; for each token and head.

    q, k [batch, key heads, 1, tokens, d]; v [batch, key heads, values of each, tokens, d]; decay
    (its logarithm) and beta [batch, key heads, values of each, tokens].  Within a chunk all
    v - S^T k follow from the state before it by one triangular solve; tokens are a multiple of
    CHUNK.
    """
    def cut(x):
        return x.unflatten(3, (-1, CHUNK))

    q, k, v, beta, sums = cut(q), cut(k), cut(v), cut(beta)[..., None], cut(decay).cumsum(-1)
    late = torch.ones(CHUNK, CHUNK, dtype=torch.bool).triu(1)
    fade = (sums[..., :, None] - sums[..., None, :]).masked_fill(late, -torch.inf).exp()
    since = sums.exp()[..., None]                        # of the state before the chunk
    until = (sums[..., -1:] - sums).exp()[..., None]     # at the chunk's end
    system = (beta * fade * (k @ k.mT)).tril(-1)
    solved = torch.linalg.solve_triangular(
        system, torch.cat([beta * v, beta * since * k], -1), upper=False, unitriangular=True)
    fresh, seen = solved.split([v.shape[-1], k.shape[-1]], -1)
    attended, faded_q, faded_k = fade * (q @ k.mT), since * q, (until * k).mT
    end = since[..., -1:, :]
    state, out = v.new_zeros(v.shape[:3] + (k.shape[-1], v.shape[-1])), []
    for i in range(v.shape[3]):
        change = fresh[..., i, :, :] - seen[..., i, :, :] @ state
        out.append(faded_q[..., i, :, :] @ state + attended[..., i, :, :] @ change)
        state = end[..., i, :, :] * state + faded_k[..., i, :, :] @ change
    return torch.cat(out, -2)


class DeltaNet(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        mixed = 2 * shape.key_width + shape.value_width
        self.in_proj_qkv = nn.Linear(shape.hidden, mixed, bias=False)
        self.in_proj_z = nn.Linear(shape.hidden, shape.value_width, bias=False)
        self.in_proj_b = nn.Linear(shape.hidden, shape.value_heads, bias=False)
        self.in_proj_a = nn.Linear(shape.hidden, shape.value_heads, bias=False)
        self.conv1d = nn.Conv1d(mixed, mixed, shape.kernel, groups=mixed, bias=False)
        step = torch.empty(shape.value_heads).uniform_(-6.9, -2.3).exp()  # 0.001 to 0.1
        self.dt_bias = nn.Parameter(step + (-(-step).expm1()).log())
        self.A_log = nn.Parameter(torch.empty(shape.value_heads).uniform_(1, 16).log())
        self.norm = GatedNorm(shape.state_dim, shape.epsilon)
        self.out_proj = nn.Linear(shape.value_width, shape.hidden, bias=False)

    def convolve(self, x):
        """Each channel with its last tokens: sums of shifted rows are faster than conv1d here."""
        taps, tokens = self.conv1d.weight[:, 0].T, x.shape[1]
        x = F.pad(x, (0, 0, self.shape.kernel - 1, 0))
        return F.silu(sum(x[:, i : i + tokens] * tap for i, tap in enumerate(taps)))

    def forward(self, x):
        shape = self.shape
        batch, tokens, _ = x.shape
        mixed = self.convolve(self.in_proj_qkv(x))
        q, k, v = mixed.split([shape.key_width, shape.key_width, shape.value_width], -1)

        def heads(y):  # [batch, tokens, ...] to [batch, key heads, values of each, tokens, ...]
            return y.unflatten(2, (shape.key_heads, -1)).movedim(1, 3)

        def vectors(y):
            return heads(y.unflatten(2, (-1, shape.state_dim)))

        q, k = unit(vectors(q)) * shape.state_dim**-0.5, unit(vectors(k))
        decay = -self.A_log.exp() * F.softplus(self.in_proj_a(x) + self.dt_bias)
        beta = self.in_proj_b(x).sigmoid()
        y = gated_delta_rule(q, k, vectors(v), heads(decay), heads(beta))
        y = y.movedim(3, 1).flatten(2, 3)                    # [batch, tokens, value heads, d]
        gate = self.in_proj_z(x).view(y.shape)
        return self.out_proj(self.norm(y, gate).flatten(2))


def rotate_first(x, cos, sin):
    """Rotate the pairs (i, i + half) of the first dimensions of x [..., positions, head_dim]."""
    half = cos.shape[-1]
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat((a * cos - b * sin, b * cos + a * sin, rest), -1)


class GatedAttention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        width, kv_width = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden, 2 * width, bias=False)  # each head: query, gate
        self.k_proj = nn.Linear(shape.hidden, kv_width, bias=False)
        self.v_proj = nn.Linear(shape.hidden, kv_width, bias=False)
        self.o_proj = nn.Linear(width, shape.hidden, bias=False)
        self.q_norm = OffsetNorm(shape.head_dim, shape.epsilon)
        self.k_norm = OffsetNorm(shape.head_dim, shape.epsilon)

    def forward(self, x, cos, sin):
        shape, group = self.shape, self.shape.heads // self.shape.kv_heads
        q, gate = self.q_proj(x).unflatten(2, (shape.heads, -1)).chunk(2, -1)
        k = self.k_proj(x).unflatten(2, (shape.kv_heads, -1))
        v = self.v_proj(x).unflatten(2, (shape.kv_heads, -1)).transpose(1, 2)
        q = rotate_first(self.q_norm(q).transpose(1, 2), cos, sin)
        k = rotate_first(self.k_norm(k).transpose(1, 2), cos, sin)
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
        return self.o_proj((y * gate.sigmoid()).flatten(2))


class Mlp(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.down_proj = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape, index):
        super().__init__()
        if (index + 1) % shape.interval:
            self.linear_attn = DeltaNet(shape)
        else:
            self.self_attn = GatedAttention(shape)
        self.mlp = Mlp(shape)
        self.input_layernorm = OffsetNorm(shape.hidden, shape.epsilon)
        self.post_attention_layernorm = OffsetNorm(shape.hidden, shape.epsilon)

    def forward(self, x, cos, sin):
        y = self.input_layernorm(x)
        recurrent = hasattr(self, "linear_attn")
        x = x + (self.linear_attn(y) if recurrent else self.self_attn(y, cos, sin))
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape, i) for i in range(shape.layers))
        self.norm = OffsetNorm(shape.hidden, shape.epsilon)


class Tinder(nn.Module):
    """Token ids [batch, positions] to logits [batch, positions, vocabulary]."""

    def __init__(self, shape=HybridShape()):
        super().__init__()
        self.shape = shape
        self.model = Trunk(shape)
        rotary = dataclasses.replace(shape, head_dim=shape.rotary_dim)
        cos, sin = rope_table(rotary, shape.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith(("out_proj.weight", "o_proj.weight", "down_proj.weight"))
                std = 0.02 / (2 * shape.layers) ** 0.5 if residual else 0.02
                nn.init.normal_(parameter, std=std)

    def forward(self, ids):
        tokens = ids.shape[1]
        padded = -(-tokens // CHUNK) * CHUNK  # what follows a token does not change it
        x = self.model.embed_tokens(F.pad(ids, (0, padded - tokens)))
        for layer in self.model.layers:
            x = layer(x, self.cos[:padded], self.sin[:padded])
        return self.model.norm(x[:, :tokens]) @ self.model.embed_tokens.weight.T
