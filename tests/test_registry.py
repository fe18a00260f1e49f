import pytest

from sparsight.errors import InputError
from sparsight.registry import Registry, suggest


def test_a_name_belongs_to_one_function_which_may_be_registered_again():
    shapes = Registry("shape")

    @shapes.register("disc")
    def disc():
        return "round"

    assert shapes.register("disc")(disc) is disc
    with pytest.raises(InputError, match="shape 'disc' is registered already; choose another name"):
        shapes.register("disc")(lambda: "square")
    assert shapes["disc"] is shapes.look_up("disc") is disc


def test_an_unknown_name_is_refused_with_the_closest_and_all_others_in_order():
    shapes = Registry("shape")
    for name in ("square", "disc"):
        shapes.register(name)(lambda: None)
    with pytest.raises(InputError) as error:
        shapes.look_up("disk")
    assert str(error.value) == "no shape is called 'disk'; did you mean disc? (registered: disc, square)"
    with pytest.raises(InputError, match=r"^no shape is called 'x' \(registered: disc, square\)$"):
        shapes.look_up("x")


def test_the_closest_name_is_suggested_if_one_is_close():
    assert suggest("gradinet", ["gradient", "radius"]) == "; did you mean gradient?"
    assert suggest("xyz", ["gradient", "radius"]) == ""
    assert suggest("abcd", ["abxy"], cutoff=0.5) == "; did you mean abxy?"
    assert suggest("abcd", ["abxy"]) == ""
