"""CoMM's step in eager PyTorch, layer by layer as one would write it: what ours is compared with.

Each mask of modalities is a pass through the fusion of its own, each of them one through the head.
"""

import numpy as np
import torch
from torch import nn

from experiments.bench.peers import fill, nt_xent


class Encoder(nn.Module):
    """Features of a sequence through five pre-norm layers."""

    def __init__(self, p, dropout):
        super().__init__()
        features, width = p["embed"]["kernel"].shape
        self.embed = nn.Conv1d(features, width, 1, bias=False)
        fill(self.embed, p["embed"]["kernel"].T[..., None])
        blocks = p["blocks"]
        depth, _, hidden = blocks["mlp_in"]["kernel"].shape
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 5, hidden, dropout=dropout, batch_first=True, norm_first=True,
                layer_norm_eps=1e-6,
            )
            for _ in range(depth)
        )  # fmt: skip
        for i, layer in enumerate(self.layers):
            of = lambda name, i=i: {key: x[i] for key, x in blocks[name].items()}
            _attention(layer.self_attn, of("qkv"), of("attention_out"))
            for module, name in ((layer.linear1, "mlp_in"), (layer.linear2, "mlp_out")):
                _dense(module, of(name))
            for module, name in ((layer.norm1, "norm_attention"), (layer.norm2, "norm_mlp")):
                fill(module, of(name)["scale"], of(name)["bias"])

    def forward(self, x):
        """[b, tokens, features] -> [b, tokens, width]."""
        x = self.embed(x.transpose(1, 2)).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        return x


class Fusion(nn.Module):
    """Tokens of some modalities behind CLS through one layer, of which CLS is read."""

    def __init__(self, p, heads):
        super().__init__()
        block = p["block_0"]
        width = len(p["cls"])
        self.cls = nn.Parameter(torch.tensor(p["cls"]))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        qkv = {key: np.concatenate(
                   [block[name][key] for name in ("query", "key", "value")], axis=-1)
               for key in ("kernel", "bias")}  # fmt: skip
        _attention(self.attention, qkv, block["attention_out"])
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-5) for _ in range(3))
        for norm, of in zip(
            self.norms, (block["norm_attention"], block["norm_mlp"], p["norm"]), strict=True
        ):
            fill(norm, of["scale"], of["bias"])
        self.wide = _dense(nn.Linear(width, 4 * width), block["mlp_in"])
        self.narrow = _dense(nn.Linear(4 * width, width), block["mlp_out"])

    def forward(self, tokens):
        """A list of [b, t, width] -> [b, width]."""
        b = len(tokens[0])
        x = torch.cat([self.cls.expand(b, 1, -1), *tokens], dim=1)
        y = self.norms[0](x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        y = self.wide(self.norms[1](x))
        x = x + self.narrow(y * torch.sigmoid(1.702 * y))
        return self.norms[2](x)[:, 0]


class Comm(nn.Module):
    """All networks, from the parameters of `mmalign`'s method."""

    def __init__(self, params, dropout, heads=8):
        super().__init__()
        sensors = params["sensors"].values()
        self.encoders = nn.ModuleList(Encoder(sensor["encoder"], dropout) for sensor in sensors)
        self.fusion = Fusion(params["fusion"], heads)
        p, layers = params["head"], []
        for i in range(2):
            layers += [_dense(nn.Linear(*p[f"hidden_{i}"]["kernel"].shape), p[f"hidden_{i}"])]
            layers += [nn.BatchNorm1d(layers[-1].out_features), nn.ReLU()]
            fill(layers[-2], p[f"norm_{i}"]["scale"], p[f"norm_{i}"]["bias"])
        last = _dense(nn.Linear(*p["out"]["kernel"].shape), p["out"])
        self.head = nn.Sequential(*layers, last)

    def forward(self, inputs):
        """CoMM's loss of two copies, which are the inputs as they are."""
        copies = []
        for _ in range(2):
            tokens = [encode(x) for encode, x in zip(self.encoders, inputs)]
            views = [*([one] for one in tokens), tokens]
            copies.append([self.head(self.fusion(view)) for view in views])
        first, second = copies
        terms = [
            (nt_xent(a, second[-1], temperature=0.1) + nt_xent(b, first[-1], temperature=0.1)) / 2
            for a, b in zip(first, second)
        ]
        return sum(terms) / len(terms)


def comm_step(params, inputs, *, lr, weight_decay, dropout, threads=None):
    """A function () -> loss of the next step."""
    if threads is not None:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Comm(params, dropout).to(device)
    inputs = [torch.from_numpy(x).to(device) for x in inputs]
    named = dict(model.named_parameters())
    plain = [p for name, p in named.items() if p.ndim < 2]
    groups = [{"params": [p for p in named.values() if p.ndim > 1]},
              {"params": plain, "weight_decay": 0.0}]  # fmt: skip
    optimiser = torch.optim.AdamW(groups, lr, weight_decay=weight_decay)

    def run():
        optimiser.zero_grad()
        loss = model(inputs)
        loss.backward()
        optimiser.step()
        return loss.item()

    return run


def _dense(module, p):
    fill(module, p["kernel"].T, p["bias"])
    return module


def _attention(module, qkv, out):
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.tensor(qkv["kernel"].T.copy()))
        module.in_proj_bias.copy_(torch.tensor(qkv["bias"].copy()))
    _dense(module.out_proj, out)
