"""Losses and CroSSL's step in eager PyTorch, built as official codes are: what ours compare with.

Only this file and comm_peer import torch. Each form takes what `measure.inputs` gives and returns a
scalar. NT-Xent picks its logits by boolean masks, as the common SimCLR codes do; a form that fills
the diagonal instead needs about half of that memory.
"""

import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def info_nce(a, b, *, temperature):
    """Softmax over the rows of the other view, in both directions."""
    a, b = functional.normalize(a, dim=1), functional.normalize(b, dim=1)
    logits = _wide(a @ b.T) / temperature
    target = torch.arange(len(a), device=a.device)
    forth, back = (functional.cross_entropy(x, target) for x in (logits, logits.T))
    return (forth + back) / 2


def nt_xent(a, b, *, temperature):
    """SimCLR's: from the whole 2N x 2N matrix, positives and negatives picked out by masks."""
    z = functional.normalize(torch.cat([a, b]), dim=1)
    sample = torch.arange(len(a), device=z.device).repeat(2)
    similarity = _wide(z @ z.T)
    others = ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    same = (sample[:, None] == sample[None])[others].view(len(z), -1)
    similarity = similarity[others].view(len(z), -1)
    positive, negative = similarity[same].view(len(z), 1), similarity[~same].view(len(z), -1)
    logits = torch.cat([positive, negative], dim=1) / temperature
    return functional.cross_entropy(logits, torch.zeros_like(sample))


def supcon(a, b, label, *, temperature):
    """SupContrast's: log-probabilities of all pairs, averaged over those of one label."""
    z = functional.normalize(torch.cat([a, b]), dim=1)
    label = torch.cat([label, label])
    logits = _wide(z @ z.T) / temperature
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    others = 1 - torch.eye(len(z), dtype=logits.dtype, device=z.device)
    positives = (label[:, None] == label[None]).to(logits.dtype) * others
    total = (logits.exp() * others).sum(dim=1, keepdim=True)
    log_probability = logits - total.log()
    return -((positives * log_probability).sum(dim=1) / positives.sum(dim=1)).mean()


def sigmoid(a, b, *, log_scale, bias):
    """SigLIP's: binary cross-entropy of all pairs, with +1 on the diagonal and -1 elsewhere."""
    a, b = functional.normalize(a, dim=1), functional.normalize(b, dim=1)
    logits = _wide(a @ b.T) * np.exp(log_scale) + bias
    sign = 2 * torch.eye(len(a), dtype=logits.dtype, device=a.device) - 1
    return -functional.logsigmoid(sign * logits).sum() / len(a)


def vicreg(a, b):
    """25 invariance + 25 variance + covariance, by way of the D x D covariances."""
    a, b = _wide(a), _wide(b)
    loss = 25 * functional.mse_loss(a, b)
    for z in (a, b):
        z = z - z.mean(dim=0)
        loss = loss + 25 * functional.relu(1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean() / 2
        covariance = z.T @ z / (len(z) - 1)
        d = len(covariance)  # without its last entry the diagonal is the first of d + 1 columns
        apart = covariance.flatten()[:-1].view(d - 1, d + 1)[:, 1:]
        loss = loss + apart.pow(2).sum() / d
    return loss


def density_ratio(joint, product):
    """Binary cross-entropy of a critic's logits, of aligned rows and of shuffled ones."""
    cost = functional.binary_cross_entropy_with_logits
    joint, product = _wide(joint), _wide(product)
    return cost(joint, torch.ones_like(joint)) + cost(product, torch.zeros_like(product))


def step(loss, arrays, knobs, *, half=False, cuda=False, compiled=False):
    """A function () -> (loss, gradients of the first two arrays), and its compile time in s."""
    tensors = [torch.from_numpy(x).to("cuda" if cuda else "cpu") for x in arrays]
    for i in range(2):
        tensors[i] = tensors[i].to(torch.bfloat16 if half else torch.float32).requires_grad_()
    form = torch.compile(globals()[loss], dynamic=False) if compiled else globals()[loss]

    def run():
        value = form(*tensors, **knobs)
        gradients = torch.autograd.grad(value, tensors[:2])
        if cuda:
            torch.cuda.synchronize()
        return value, gradients

    if not compiled:
        return run, 0.0
    start = time.perf_counter()
    run()
    return run, time.perf_counter() - start


class CrosslBlock(nn.Module):
    """Convolution, LayerNorm over channels, PReLU: [b, channels, time] -> [b, width, time]."""

    def __init__(self, p):
        super().__init__()
        size, channels, width = p["conv"]["kernel"].shape
        self.conv = nn.Conv1d(channels, width, size)
        self.norm = nn.LayerNorm(width, eps=1e-3)
        self.slope = nn.PReLU(width)
        # of an even kernel's padding the odd element is at the end
        self.padding = ((size - 1) // 2, size // 2)
        fill(self.conv, p["conv"]["kernel"].transpose(2, 1, 0), p["conv"]["bias"])
        fill(self.norm, p["norm"]["scale"], p["norm"]["bias"])
        fill(self.slope, p["slope"])

    def forward(self, x):
        x = self.conv(functional.pad(x, self.padding))
        return self.slope(self.norm(x.transpose(1, 2)).transpose(1, 2))


class Crossl(nn.Module):
    """Encoders of all modalities and the aggregator, from the parameters of `mmalign`'s method."""

    def __init__(self, params):
        super().__init__()
        blocks = [sensor["encoder"] for sensor in params["sensors"].values()]
        self.encoders = nn.ModuleList(
            nn.Sequential(*(CrosslBlock(p[f"block_{i}"]) for i in range(3))) for p in blocks
        )
        p = params["aggregator"]
        layers = [nn.Linear(*p[name]["kernel"].shape) for name in ("hidden_0", "hidden_1", "out")]
        for layer, name in zip(layers, ("hidden_0", "hidden_1", "out")):
            fill(layer, p[name]["kernel"].T, p[name]["bias"])
        norm = nn.LayerNorm(layers[-1].out_features, eps=1e-3)
        fill(norm, p["final_norm"]["scale"], p["final_norm"]["bias"])
        first, second, last = layers
        self.aggregator = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last, norm)

    def forward(self, inputs, keep):
        """The loss of [b, time, channels] each under masks [2, b, modalities, 1]."""
        latents = [f(x.transpose(1, 2)).mean(dim=2) for f, x in zip(self.encoders, inputs)]
        latents = torch.stack(latents, dim=1)
        loss = vicreg(*(self.aggregator((latents * k).flatten(1)) for k in keep))
        kernels = [block.conv.weight for encoder in self.encoders for block in encoder]
        return loss + 1e-4 * sum(w.pow(2).sum() for w in kernels)


def crossl_step(params, inputs, keep, *, lr, threads=None):
    """A function () -> loss of the next step, which trains by the next of the masks `keep`."""
    if threads is not None:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Crossl(params).to(device)
    inputs = [torch.from_numpy(x).to(device) for x in inputs]
    masks = iter([torch.tensor(k, device=device) for k in keep])
    optimiser = torch.optim.Adam(model.parameters(), lr)

    def run():
        optimiser.zero_grad()
        loss = model(inputs, next(masks))
        loss.backward()
        optimiser.step()
        return loss.item()

    return run


def fill(module, weight, bias=None):
    """Sets a module's weights to arrays."""
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.array(weight, order="C")))
        if bias is not None:
            module.bias.copy_(torch.from_numpy(np.array(bias)))


def as_numpy(tensor):
    """A tensor's values in float32."""
    return tensor.detach().float().cpu().numpy()


def cuda_mib(run):
    """Memory that one call adds on the GPU at its peak."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def about():
    """Version, threads and whether there is a GPU."""
    return {
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "cuda": torch.cuda.is_available(),
    }


def _wide(x):
    """Of float32 at least, which losses need also where embeddings are narrower."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
