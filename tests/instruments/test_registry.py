from sparsight.instruments import (
    INSTRUMENTS,
    all_instruments,
    may_be_shipped,
    needs_twin,
    registry_of_instrument,
)
from sparsight.recipe import load_recipe
from sparsight.run._building import build


def test_a_twin_is_made_only_for_instruments_that_look_at_it():
    without = [name for name in INSTRUMENTS if not needs_twin([name])]
    assert sorted(without) == ["initialisation", "locality", "mask_graph", "shape_fits"]
    assert needs_twin([*without, "gaussianity"])
    assert not needs_twin([])
    for names, is_made in (('["locality"]', False), ('["locality", "cavity"]', True)):
        settings = ["data.num_train=100", "data.num_test=50", f"measure.instruments={names}"]
        condition = load_recipe("nlgp-1d", settings).condition("imp")
        assert (build(condition, 0, condition.data.twin()).twin is not None) == is_made


def test_every_shipped_instrument_has_a_module_of_its_name():
    shipped = [name for name in all_instruments() if registry_of_instrument(name).is_shipped(name)]
    assert len(shipped) > 15
    assert [name for name in shipped if not may_be_shipped(name)] == []
    assert not any(may_be_shipped(name) for name in ("signs", "", "kept-number", "../locality", "a\x00b"))
    assert may_be_shipped("chains")  # no instrument, so the registry has to say
