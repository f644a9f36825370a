"""Many logistic regressions at once are those of scikit-learn, one by one."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mmalign.evaluation import logistic


@pytest.mark.parametrize(("rows", "columns"), [(300, 12), (40, 120)], ids=["tall", "wide"])
def test_solutions_are_those_of_scikit_learn(rng, rows, columns):
    code = np.arange(rows) % 4
    x = rng.standard_normal((rows, columns)) + np.eye(columns)[code]
    x = (x - x.mean(0)) / x.std(0)
    x[:, -1] = x[:, 0]  # collinear
    weight = np.ones((2, rows))
    weight[1, : rows // 2] = 0  # learns from the other half alone
    axes, start = logistic.principal_axes(x), None
    for c in (1e-3, 1e-1, 10.0):
        start = logistic.solve(axes, code, weight, c, start=start, steps=1000, tolerance=1e-5)
        for kept, coefficients in zip(weight > 0, start):
            model = LogisticRegression(C=c, max_iter=5000, tol=1e-7).fit(x[kept], code[kept])
            want, logits = model.decision_function(x), axes @ coefficients
            centred = lambda z: z - z.mean(axis=1, keepdims=True)
            np.testing.assert_allclose(centred(logits), centred(want), rtol=0.02, atol=0.02)
