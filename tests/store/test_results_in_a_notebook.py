import shutil

from sparsight.store import open_run


def test_a_run_shows_its_question_and_every_replicate(short_run):
    opened = open_run(short_run)
    shown = opened._repr_html_()
    assert "Does it run?" in shown
    assert shown.count("<td>finished</td>") == 2
    accuracy = opened.directory.records("random", 0)[-1].test_accuracy
    assert f"<td>{accuracy:.3f}</td>" in shown
    assert repr(opened).startswith("<run plane in ")
    assert repr(opened).endswith("imp, random; 1 replicates, 6 levels, finished>")


def test_foreign_strings_are_escaped(short_copy, tmp_path):
    target = tmp_path / "<img src=x onerror=alert(1)>"
    shutil.move(short_copy, target)
    assert "<img" not in open_run(target)._repr_html_()
