"""Loops over single-precision numbers that the compiler turns into vector instructions.

Box and Muller's transform and the error function, each in one pass over memory where torch takes six and
three (measured in docs/decisions.md, "Fields: our own loops for noise and erf …"). They run on the calling
thread: drawing the random bits, which threads cannot share, takes longer than either. The compiler may
contract products and sums but not reorder them: another order would undo the steps that keep the last digits.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Int32

from sparsight.compilation import compiled

_f = np.float32  # every constant is single precision, or the loops would run in double, half as fast
_i = np.int32
_ONE, _HALF, _MINUS_TWO = _f(1), _f(0.5), _f(-2)
_EIGHTH_TURN, _QUARTER_TURN = _i(2**29), _i(30)  # a turn has 2³² steps; the latter is a shift
_ROOT_HALF_BITS, _MANTISSA = _i(0x3F3504F3), _i(23)
_UNIT, _STEP, _LN_2 = _f(2.0**-31), _f(math.pi * 2.0**-31), _f(math.log(2))


@compiled(keeps_order=True)
@no_type_check  # keeps the shape checks that wrap every function during tests out of the compiled code
def normal_pairs(bits: Int32[np.ndarray, "2 pairs"]) -> None:
    r"""Replace random bits by the bits of single-precision normal numbers: Box and Muller's transform.

    The lower 31 bits of ``bits[0]`` are :math:`u \in (0, 1]`; ``bits[1]`` is :math:`\varphi \in [-\pi, \pi)`.
    They are replaced by :math:`\sqrt{-2 \ln u} \cos\varphi` and :math:`\sqrt{-2 \ln u} \sin\varphi`, to 10⁻⁶.
    The polynomials are those of Moshier's Cephes library in single precision (logf, sinf, cosf).
    """
    for j in range(bits.shape[1]):
        u = (_f(bits[0, j] & _i(0x7FFFFFFF)) + _ONE) * _UNIT
        # u = 2ᵏ (1 + t) with 1 + t from √½ to √2, not from 1 to 2: then k = 0 on both sides of u = 1, where
        # k ln 2 and ln(1 + t) would otherwise cancel. The bits of a float are its exponent and mantissa.
        pattern = _f(u).view(np.int32)
        k = (pattern - _ROOT_HALF_BITS) >> _MANTISSA
        t = _f(_i(pattern - (k << _MANTISSA)).view(np.float32)) - _ONE
        series = _f(7.0376836292e-2)
        series = series * t - _f(1.1514610310e-1)
        series = series * t + _f(1.1676998740e-1)
        series = series * t - _f(1.2420140846e-1)
        series = series * t + _f(1.4249322787e-1)
        series = series * t - _f(1.6668057665e-1)
        series = series * t + _f(2.0000714765e-1)
        series = series * t - _f(2.4999993993e-1)
        series = series * t + _f(3.3333331174e-1)
        logarithm = _f(k) * _LN_2 + (t + t * t * (series * t - _HALF))
        radius = np.sqrt(_MINUS_TWO * logarithm)
        # φ is a multiple of a quarter turn plus a rest of at most an eighth, separated in whole numbers and
        # so without rounding. Whole numbers wrap at 2³², as the angle does.
        quarter = (bits[1, j] + _EIGHTH_TURN) >> _QUARTER_TURN
        rest = _f(_i(bits[1, j] - (quarter << _QUARTER_TURN))) * _STEP
        square = rest * rest
        sine = (_f(-1.9515295891e-4) * square + _f(8.3321608736e-3)) * square - _f(1.6666654611e-1)
        sine = rest + rest * square * sine
        cosine = (_f(2.443315711809948e-5) * square - _f(1.388731625493765e-3)) * square
        cosine = _ONE - _HALF * square + square * square * (cosine + _f(4.166664568298827e-2))
        # Quadrants swap sine and cosine and change signs. Selections, unlike branches, become vector code.
        odd = (quarter & _i(1)) != 0
        x, y = (sine, cosine) if odd else (cosine, sine)
        x = -x if ((quarter + _i(1)) & _i(2)) != 0 else x
        y = -y if (quarter & _i(2)) != 0 else y
        bits[0, j] = _f(radius * x).view(np.int32)
        bits[1, j] = _f(radius * y).view(np.int32)


@compiled(keeps_order=True)
@no_type_check
def scaled_erf(values: Float32[np.ndarray, " n"], inner: np.float32, outer: np.float32) -> None:
    """Replace every x by ``outer`` · erf(``inner`` · x); erf to 5·10⁻⁷ of its value, and never beyond ±1.

    erf is approximated by x P(x²)/Q(x²) up to |x| = 4, where it is 1 − 2·10⁻⁸. The coefficients are those of
    the Eigen library (`generic_fast_erf_float`).
    """
    for j in range(values.size):
        x = min(max(values[j] * inner, _f(-4)), _f(4))  # beyond, the rational function departs from erf
        square = x * x
        above = _f(-2.72614225801306e-10)
        above = above * square + _f(2.77068142495902e-08)
        above = above * square - _f(2.10102402082508e-06)
        above = above * square - _f(5.69250639462346e-05)
        above = above * square - _f(7.34990630326855e-04)
        above = above * square - _f(2.95459980854025e-03)
        above = above * square - _f(1.60960333262415e-02)
        below = _f(-1.45660718464996e-05)
        below = below * square - _f(2.13374055278905e-04)
        below = below * square - _f(1.68282697438203e-03)
        below = below * square - _f(7.37332916720468e-03)
        below = below * square - _f(1.42647390514189e-02)
        values[j] = min(max(x * above / below, -_ONE), _ONE) * outer
