"""Odd picture files come out as a viewer would show them, or are refused by name."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from sparsight.data.images._picture_file import is_picture, read_picture
from sparsight.errors import InputError
from tests.fuzzing import apply_damage, damage, fuzzed_each


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def read(path, *, grey=False, background=None):
    return np.asarray(read_picture(path, grey=grey, background=background))


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".tif", ".TIFF", ".bmp"])
def test_lossless_formats_give_the_pixels(tmp_path, colours, suffix):
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(colours).save(path)
    assert is_picture(path)
    np.testing.assert_array_equal(read(path), colours)


@pytest.mark.parametrize(("suffix", "options"), [(".jpg", {"quality": 95}), (".webp", {"lossless": True})])
def test_compressed_formats_are_read(tmp_path, suffix, options):
    smooth = np.linspace(0, 255, 48 * 48).reshape(48, 48).astype(np.uint8)
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(smooth).convert("RGB").save(path, **options)
    assert np.abs(read(path)[..., 0].astype(int) - smooth).max() <= 4


def test_grey_is_the_luma_of_bt_601(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "a.png")
    expected = colours @ [0.299, 0.587, 0.114]
    assert np.abs(read(tmp_path / "a.png", grey=True) - expected).max() <= 0.51


def test_a_grey_picture_has_three_equal_channels_in_colour(tmp_path, colours):
    Image.fromarray(colours[..., 0]).save(tmp_path / "a.png")
    found = read(tmp_path / "a.png")
    np.testing.assert_array_equal(found, np.repeat(colours[..., :1], 3, axis=2))


def test_a_palette_gives_colours_and_not_its_indices(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 0])
    picture.putdata([1, 0])
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png"), [[[200, 100, 0], [10, 20, 30]]])


def test_black_and_white_pictures_are_0_and_255(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png", grey=True), [[255, 0]])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path, suffix):
    """Pillow's own convert("L") makes 255 of everything above 255."""
    fine = np.array([[0, 255, 256, 257 * 100 + 3, 65535]], np.uint16)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(fine).save(path)
    np.testing.assert_allclose(read(path, grey=True), fine / 257, rtol=1e-6)


@pytest.mark.parametrize(("orientation", "turned"), [(6, -1), (3, 2), (8, 1)])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_exif_rotation_is_applied(tmp_path, orientation, turned, suffix):
    dark_above = np.zeros((32, 48), np.uint8)
    dark_above[16:] = 255
    dark_above[:, 24:] //= 2
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(dark_above).save(path, exif=exif)
    found = read(path, grey=True).astype(int)
    expected = np.rot90(dark_above, turned).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 3


@pytest.mark.parametrize(("background", "ground"), [("black", 0), ("white", 255)])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_laid_on_the_background(tmp_path, background, ground, mode):
    layers = np.full((1, 3, len(mode)), 100, np.uint8)
    layers[0, :, -1] = [255, 0, 51]
    Image.fromarray(layers, mode).save(tmp_path / "a.png")
    found = read(tmp_path / "a.png", grey=True, background=background)
    np.testing.assert_allclose(found, [[100, ground, 20 + 0.8 * ground]], atol=1)


def test_a_transparent_colour_of_a_palette_is_laid_on_the_background(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 10, 10, 200, 200, 200])
    picture.putdata([1, 0])
    picture.save(tmp_path / "a.png", transparency=0)
    np.testing.assert_array_equal(read(tmp_path / "a.png", grey=True, background="white"), [[200, 255]])


def test_transparency_without_a_background_is_refused(tmp_path):
    Image.new("RGBA", (2, 2), (1, 2, 3, 254)).save(tmp_path / "see-through.png")
    with pytest.raises(
        InputError, match=r'see-through.png has transparent pixels; set data.background to "black'
    ):
        read(tmp_path / "see-through.png")


def test_an_alpha_channel_without_transparent_pixels_needs_no_background(tmp_path):
    Image.new("RGBA", (1, 1), (1, 2, 3, 255)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png"), [[[1, 2, 3]]])


def test_cmyk_is_read_as_colours(tmp_path):
    Image.new("CMYK", (8, 8), (0, 0, 0, 255)).save(tmp_path / "a.jpg")
    assert read(tmp_path / "a.jpg").max() < 10


def _damaged(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-900])


def _pages(path):
    Image.new("L", (3, 3)).save(path, save_all=True, append_images=[Image.new("L", (3, 3))])


@pytest.mark.parametrize(
    ("name", "make", "match"),
    [
        ("text.png", lambda path: path.write_text("not a picture"), "text.png is not a picture"),
        ("empty.jpg", lambda path: path.write_bytes(b""), "empty.jpg is not a picture"),
        ("cut.png", _damaged, r"cut.png is not a picture .* or is damaged .*get it again, or move it out"),
        ("cut.jpg", _damaged, "cut.jpg is not a picture"),
        ("pages.tif", _pages, "pages.tif has more than one page or frame"),
        (
            "real.tif",
            lambda path: Image.new("F", (3, 3)).save(path),
            "floating-point pixels of unknown scale",
        ),
        (
            "bomb.png",
            lambda path: Image.new("1", (9500, 9500)).save(path),
            r"bomb.png has more than \d+ pixels",
        ),
        ("folder.png", lambda path: path.mkdir(), "folder.png is not a picture"),
        (
            "drawing.png",
            lambda path: Image.new("L", (9, 9)).save(path, "GIF"),
            "drawing.png is not a picture",
        ),
    ],
)
def test_files_that_cannot_be_used_are_named_in_one_line(tmp_path, name, make, match):
    make(tmp_path / name)
    with pytest.raises(InputError, match=match) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_hidden_files_are_no_pictures(tmp_path):
    assert not is_picture(tmp_path / "._a.png")
    assert not is_picture(tmp_path / ".png")
    assert not is_picture(tmp_path / "notes.txt")


def _encoded(mode, kind, **options):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


FILES = {
    "png": _encoded("RGBA", "PNG"),
    "palette": _encoded("P", "PNG"),
    "jpeg": _encoded("RGB", "JPEG"),
    "webp": _encoded("RGB", "WEBP", lossless=True),
    "tiff": _encoded("RGB", "TIFF", compression="tiff_lzw"),
    "bmp": _encoded("L", "BMP"),
}


@pytest.mark.parametrize("kind", FILES)
@fuzzed_each
@given(damage=damage)
def test_damaged_files_are_read_or_refused_in_one_line(kind, damage):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        path.write_bytes(apply_damage(FILES[kind], damage))
        refusal = "refused in one line"
        try:
            found = read(path, background="black")
        except InputError as error:
            refusal = str(error)
        else:
            assert found.ndim == (2 if found.dtype == np.float32 else 3)
        assert "\n" not in refusal
        assert len(refusal) < 600
