import stat

import numpy as np
import pytest
from PIL import Image

from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.figures import field_colours
from sparsight.report import write_movie
from sparsight.report._level_views import level_views, order_of_units
from sparsight.report._movie import frames


def views(run):
    return list(level_views(run, "imp", 0, "linear_0"))


def unit_pictures(frame, side, columns, num):
    """Cut a frame back into the units' pictures, one pixel a weight."""
    band = 62
    zoom = 640 // (columns * (side + 1) - 1)
    zoom = zoom if abs(640 - zoom * (columns * (side + 1) - 1)) * 2 <= columns * (side + 1) - 1 else zoom + 1
    small = frame[band:][zoom // 2 :: zoom, zoom // 2 :: zoom]
    step = side + 1
    return [small[place // columns * step :, place % columns * step :][:side, :side] for place in range(num)]


@pytest.mark.parametrize("what", ["weights", "masks"])
def test_frames_hold_the_stored_weights_and_masks_of_every_level(stored_run, what):
    shown = list(frames(stored_run, what=what))
    levels = views(stored_run)
    order, _ = order_of_units(levels[-1])
    geometry = stored_run.geometry("imp")
    assert len(shown) == len(levels) == 4
    for frame, view in zip(shown, levels, strict=True):
        values = view.weight if what == "weights" else view.mask
        expected = field_colours(values[order], geometry)
        for place, picture in enumerate(unit_pictures(frame, 8, 4, 12)):
            np.testing.assert_array_equal(picture, expected[place])


def test_the_bar_of_a_frame_is_the_density(stored_run):
    for frame, view in zip(frames(stored_run), views(stored_run), strict=True):
        bar = (frame[58] == (0, 114, 178)).all(axis=1)
        assert bar.mean() == pytest.approx(view.density, abs=0.01)


def test_one_dimensional_fields_are_heat_rows(stored_runs):
    run = stored_runs["line"]
    frame = next(frames(run))
    view = views(run)[0]
    order, _ = order_of_units(views(run)[-1])
    expected = field_colours(view.weight[order], run.geometry("imp"))[:, 0]
    zoom = round(640 / 24)
    np.testing.assert_array_equal(frame[64::4, zoom // 2 :: zoom][:12, :24], expected)


def test_units_are_evenly_spaced_when_there_are_too_many(stored_runs):
    few, all_of_them = (next(frames(stored_runs["line"], num_units=num)) for num in (3, 12))
    assert few.shape[0] - 62 == 3 * 4
    np.testing.assert_array_equal(few[62:66], all_of_them[62:66])
    np.testing.assert_array_equal(few[70:74], all_of_them[106:110])


@pytest.mark.parametrize(("suffix", "kind"), [(".gif", "GIF"), (".webp", "WEBP")])
def test_write_movie_writes_a_frame_a_level_and_rests_on_the_last(stored_runs, tmp_path, suffix, kind):
    run = stored_runs["line"]  # one channel: its colours nearly fit a GIF's 256
    path = write_movie(run, tmp_path / f"m{suffix}", condition="random", frames_per_second=4)
    with Image.open(path) as movie:
        assert movie.format == kind
        expected = list(frames(run, condition="random"))
        assert 4 <= movie.n_frames <= 7  # equal frames may be stored as one that lasts longer
        durations = []
        for index in range(movie.n_frames):
            movie.seek(index)
            movie.load()
            durations.append(movie.info["duration"])
            drawn = np.asarray(movie.convert("RGB")).astype(int)
            difference = np.abs(drawn - expected[min(index, 3)])
            assert difference.max() == 0 if suffix == ".webp" else difference.mean() < 1
    assert sum(durations) == 7 * 250
    assert not list(tmp_path.glob(".*"))


def test_cavity_maps_are_shown_where_they_were_measured(stored_run):
    assert not np.array_equal(*(list(frames(stored_run, what=what))[1] for what in ("weights", "cavity")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"condition": "nonsense"}, "condition is 'nonsense'; there are imp, random"),
        ({"replicate": 2}, r"replicate is 2; there are 0 … 1"),
        ({"layer": "linear_9"}, "layer is 'linear_9'; there are linear_0"),
        ({"what": "biases"}, "what is 'biases'; weights, masks, cavity are allowed"),
        ({"num_units": 0}, "num_units is 0"),
        ({"frames_per_second": 0}, "frames_per_second is 0"),
    ],
)
def test_write_movie_names_what_is_wrong(stored_run, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        write_movie(stored_run, tmp_path / "m.gif", **options)
    assert not list(tmp_path.iterdir())


def test_write_movie_refuses_other_files(stored_run, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"ends in '\.avi'; \.gif, \.webp, \.mp4 are allowed"):
        write_movie(stored_run, tmp_path / "m.avi")
    with pytest.raises(InputError, match="cannot be written"):
        write_movie(stored_run, tmp_path / "missing" / "m.gif")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="needs the program ffmpeg"):
        write_movie(stored_run, tmp_path / "m.mp4")


def test_an_mp4_is_handed_to_ffmpeg_whole_or_not_at_all(stored_run, tmp_path, monkeypatch):
    """A stand-in for the program: it writes what it is given, or fails."""
    tools = tmp_path / "bin"
    tools.mkdir()
    program = tools / "ffmpeg"
    program.write_text('#!/bin/sh\nfor last; do :; done\n/bin/cat > "$last"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tools))
    expected = list(frames(stored_run))
    path = write_movie(stored_run, tmp_path / "m.mp4")
    raw = np.frombuffer(path.read_bytes(), np.uint8).reshape(7, *expected[0].shape)
    np.testing.assert_array_equal(raw, [*expected, *expected[-1:] * 3])
    assert all(side % 2 == 0 for side in expected[0].shape[:2])
    program.write_text("#!/bin/sh\necho 'no such codec' >&2\nexit 1\n")
    with pytest.raises(InputError, match=r"ffmpeg could not write .*m2\.mp4: no such codec"):
        write_movie(stored_run, tmp_path / "m2.mp4")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bin", "m.mp4"]


def test_the_command_writes_a_movie_and_says_what_is_wrong(stored_run, tmp_path, capsys):
    path = tmp_path / "m.webp"
    for arguments, status in ((["--what", "masks", "--out", str(path)], 0), (["--condition", "nonsense"], 2)):
        with pytest.raises(SystemExit) as ended:
            main(["movie", str(stored_run.path), *arguments])
        assert (ended.value.code or 0) == status
    said = capsys.readouterr()
    assert f"movie: {path}" in said.out.replace("\n", "")
    assert said.err == "sparsight: condition is 'nonsense'; there are imp, random\n"
    with Image.open(path) as movie:
        assert movie.format == "WEBP"
