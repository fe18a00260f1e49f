import numpy as np
import pytest
from scipy.fft import dctn

from sparsight.data.images._frequency_selective import (
    SAMPLES_A_SIDE,
    cosine_atoms,
    frequency_selective,
    low_pass,
    matching_pursuit,
    middle_counts_most,
)

SIDE = np.arange(float(SAMPLES_A_SIDE))
ATOMS = cosine_atoms(SIDE, SIDE)
EQUAL = np.ones(len(ATOMS))


def test_on_the_grid_full_steps_give_the_discrete_cosine_transform():
    block = np.random.default_rng(0).normal(size=(SAMPLES_A_SIDE,) * 2)
    found = matching_pursuit(block.reshape(1, -1), ATOMS, EQUAL, num_steps=len(ATOMS), step=1.0)
    norms = np.linalg.norm(ATOMS, axis=1)
    orthonormal = dctn(block, norm="ortho").ravel()
    np.testing.assert_allclose(found[0] * norms, orthonormal, atol=5e-14)


def test_the_error_of_a_constant_block_is_halved_by_every_half_step():
    blocks = np.full((1, SAMPLES_A_SIDE**2), 0.7)
    for num_steps in (1, 2, 5, 20):
        found = matching_pursuit(blocks, ATOMS, low_pass(), num_steps=num_steps, step=0.5)
        np.testing.assert_allclose(blocks[0] - found[0] @ ATOMS, 0.7 * 2.0**-num_steps, rtol=1e-9)


@pytest.mark.parametrize("weight", [None, middle_counts_most()])
@pytest.mark.parametrize("atom", [0, 5, 37, 255])
def test_one_atom_is_found_in_one_full_step(atom, weight):
    """Without a preference no other atom has more energy in common with it (Cauchy and Schwarz)."""
    block = -1.3 * ATOMS[[atom]]
    found = matching_pursuit(block, ATOMS, EQUAL, weight=weight, num_steps=1, step=1.0)
    np.testing.assert_allclose(found[0], np.where(np.arange(len(ATOMS)) == atom, -1.3, 0), atol=1e-12)


def test_the_scale_of_the_atoms_does_not_matter():
    rng = np.random.default_rng(1)
    blocks, scale = rng.normal(size=(3, SAMPLES_A_SIDE**2)), rng.uniform(0.2, 5, size=len(ATOMS))
    options = {"weight": middle_counts_most(), "num_steps": 40}
    plain = matching_pursuit(blocks, ATOMS, low_pass(), **options)
    scaled = matching_pursuit(blocks, scale[:, None] * ATOMS, low_pass(), **options)
    np.testing.assert_allclose(scaled * scale, plain, atol=1e-10)


def test_the_gram_matrix_stands_for_the_residual():
    """The definition, with the residual itself."""
    rng, weight, preference = np.random.default_rng(2), middle_counts_most(), low_pass()
    residual, expected = rng.normal(size=SAMPLES_A_SIDE**2), np.zeros(len(ATOMS))
    found = matching_pursuit(residual[None], ATOMS, preference, weight=weight, num_steps=30, step=0.5)
    for _ in range(30):
        projections, energy = ATOMS @ (weight * residual), ATOMS**2 @ weight
        best = np.argmax(preference * projections**2 / energy)
        change = 0.5 * projections[best] / energy[best]
        expected[best] += change
        residual = residual - change * ATOMS[best]
    np.testing.assert_allclose(found[0], expected, atol=1e-10)


def waves(frequency, positions):
    """A cosine over 32 pixels; of frequency 0, 8, 16 or 24 it is an atom of every block."""
    return np.cos(np.pi / 64 * (2 * positions + 1) * frequency)


def few_atoms(rows, columns):
    parts = [(0.3, 8, 16), (0.2, 24, 0), (-0.4, 8, 8)]
    return 0.5 + sum(
        size * np.outer(waves(down, rows), waves(across, columns)) for size, down, across in parts
    )


def test_a_picture_of_few_atoms_is_exact_between_pixels_where_lines_are_not():
    pixels, between = np.arange(32.0), np.linspace(-0.4, 31.4, 57)
    picture, truth = few_atoms(pixels, pixels), few_atoms(between, between)
    found = frequency_selective(picture, between, between)
    np.testing.assert_allclose(found, truth, atol=1e-6)
    inside = (between > 0) & (between < 31)
    lines = np.stack([np.interp(between, pixels, column) for column in picture.T], axis=1)
    lines = np.stack([np.interp(between, pixels, row) for row in lines])
    assert np.abs(lines - truth)[np.ix_(inside, inside)].max() > 0.05


@pytest.mark.parametrize("size", [(8, 8), (9, 23), (3, 40)])
def test_pictures_of_any_size_are_covered(size):
    picture = np.full(size, 0.25)
    rows, columns = (np.linspace(-0.5, extent - 0.5, 7) for extent in size)
    np.testing.assert_allclose(frequency_selective(picture, rows, columns), 0.25, atol=1e-9)
