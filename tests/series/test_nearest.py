import pytest

from joule_cli.series.nearest import among, did_you_mean, nearest

PATHS = ["/house/mains", "/house/kitchen/oven", "/lab/machine", "/lab/room 1", "/lab/room 2"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/House/Mains", ["/house/mains"]),
        ("/house/main", ["/house/mains"]),
        ("/huose/mains", ["/house/mains"]),
        ("oven", ["/house/kitchen/oven"]),
        ("/oven", ["/house/kitchen/oven"]),
        ("kitchen/oven", ["/house/kitchen/oven"]),
        ("/lab/room", ["/lab/room 1", "/lab/room 2"]),
        ("/examples/machine", ["/lab/machine"]),
        ("/house/garden", []),
        ("/house/mainspower", ["/house/mains"]),
        ("/q", []),
        ("/", []),
        ("", []),
    ],
)
def test_the_path_that_was_meant_is_found(name, found):
    assert nearest(name, PATHS) == found


def test_the_nearest_comes_first_and_no_more_than_asked_for():
    known = ["temperature_in", "temperature", "temparature", "humidity"]
    assert nearest("temprature", known, 2) == ["temparature", "temperature"]


def test_names_that_differ_in_case_come_before_those_that_begin_with_them():
    assert nearest("power", ["power_l1", "Power", "POWER"]) == ["Power", "POWER", "power_l1"]


def test_a_name_is_not_its_own_neighbour():
    assert nearest("/lab/room 1", PATHS) == ["/lab/room 2"]


def test_a_name_that_is_listed_twice_is_shown_once():
    assert nearest("volt", ["volts", "volts"]) == ["volts"]


def test_names_of_a_generator_are_compared_as_paths_too():
    assert nearest("/a/machin", iter(["/lab/machine"])) == ["/lab/machine"]


def test_long_names_are_compared_letter_by_letter():
    long = "x" * 150 + "sensor" + "y" * 150
    assert nearest(long.replace("sensor", "sensro"), [long, "x" * 40]) == [long]


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (["alpha"], "did you mean alpha?"),
        (["alpha1", "alpha2"], "did you mean alpha1 or alpha2?"),
        (["alpha1", "alpha2", "alpha3", "alpha4"], "did you mean alpha1, alpha2 or alpha3?"),
        (["zulu"], None),
        ([], None),
    ],
)
def test_the_words_name_them(known, words):
    assert did_you_mean("alph", known) == words


def test_all_names_are_listed_unless_they_are_many():
    assert among("volt", ["volts", "amps"], "elements") == (
        "did you mean volts? The elements are volts, amps"
    )
    assert among("x", ["volts", "amps"], "elements") == "the elements are volts, amps"
    assert among("x", [f"e{i}" for i in range(1020)], "elements").endswith("e19 and 1,000 more")
    assert among("x", [], "fields") == "there are no fields"
