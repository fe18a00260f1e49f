"""A small head beside a frozen network, whose outputs vary with an index: an ensemble at the cost of one."""

import math

import torch
from torch import Tensor, nn

from sparsight.errors import InputError
from sparsight.network._fully_connected import initialise_
from sparsight.streams import derived_seed


class Epinet(nn.Module):
    r"""The epistemic part of f(x, z): what is added to the logits μ(x) of a frozen network.

    .. math:: f(x, z) = \mu(x) + \sigma_\eta(\mathrm{sg}[\varphi(x)], z)
              + s \, \sigma^P(\mathrm{sg}[\varphi(x)], z)

    with z ∼ N(0, I_D), features φ that no gradient passes (sg), and σ(φ, z) = M(φ, z) z, where a network of
    one hidden layer returns the matrix M of C classes by D from φ and z side by side. σ_η is trained and σᴾ,
    the prior, is not: it keeps predictions apart where data say nothing. Each z is a member of an ensemble.

    Parameters
    ----------
    num_features, num_classes : int
        Lengths of φ and μ.
    index_size : int
        D, at least 1.
    width : int
        Units of the hidden layers, at least 1.
    prior_scale : float
        s, at least 0.
    seed : int
        Seeds the initial weights of both networks, which are those of torch (`initialise_`).

    Raises
    ------
    InputError
        If a number is out of range.

    Notes
    -----
    After Osband et al., arXiv 2302.09205, and their code. There, features hold the inputs as well.
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        *,
        index_size: int = 8,
        width: int = 32,
        prior_scale: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("num_features", num_features, 1),
            ("num_classes", num_classes, 2),
            ("index_size", index_size, 1),
            ("width", width, 1),
            ("prior_scale", prior_scale, 0),
        ):
            if not least <= value < math.inf:
                raise InputError(f"{name} is {value}; {least} or more is needed")
        self.index_size, self.num_classes, self.prior_scale = index_size, num_classes, prior_scale
        self.learned, self.prior = (
            nn.Sequential(
                nn.Linear(num_features + index_size, width),
                nn.ReLU(),
                nn.Linear(width, num_classes * index_size),
            )
            for _ in range(2)
        )
        initialise_(self.learned, "torch", derived_seed(seed, "epinet", "learned"))
        initialise_(self.prior, "torch", derived_seed(seed, "epinet", "prior"))
        self.prior.requires_grad_(False)

    def forward(self, features: Tensor, logits: Tensor, index: Tensor) -> Tensor:
        """Return f(x, z) of every sample for every index, (index, n, class).

        Parameters
        ----------
        features : Tensor of float, (n, num_features)
            φ(x). No gradient reaches what made them.
        logits : Tensor of float, (n, class)
            μ(x), likewise.
        index : Tensor of float, (index, index_size)
            Indices z.
        """
        phi, base = features.detach(), logits.detach()
        pairs = torch.cat(
            [phi.expand(len(index), *phi.shape), index[:, None].expand(-1, len(phi), -1)], dim=2
        )
        added = self._added(self.learned, pairs, index)
        with torch.no_grad():
            prior = self.prior_scale * self._added(self.prior, pairs, index)
        return base + added + prior

    def _added(self, network: nn.Module, pairs: Tensor, index: Tensor) -> Tensor:
        matrices = network(pairs).unflatten(2, (self.num_classes, self.index_size))
        found: Tensor = (matrices @ index[:, None, :, None]).squeeze(3)
        return found
