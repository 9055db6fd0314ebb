from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused, Spot
from buildsys.recipe.library import load_set

Write = Callable[[Mapping[str, str]], Path]


def test_everything_of_a_set_by_name(write_set: Write) -> None:
    folder = write_set(
        {"images/deep/er/app.yaml": "image: app\nfrom: base\n", "traits/web.yaml": "trait: web\n"}
    )
    library = load_set(folder)
    assert (library.set.set_, set(library.recipes), set(library.traits), set(library.sites)) == (
        "demo", {"base", "app"}, {"web"}, {"here"}
    )  # fmt: skip
    assert library.recipes["app"].written.spot("from") == Spot(str(folder / "images/deep/er/app.yaml"), 2, 7)


def test_files_are_named_as_the_folder_was_given(write_set: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_set({"images/app.yaml": "image: app\n"})
    for place, given in ((folder.parent, "demo"), (folder, "."), (folder / "images", "..")):
        monkeypatch.chdir(place)
        with pytest.raises(Refused) as refused:
            load_set(Path(given))
        assert refused.value.diagnostics[0].spot.file == str(Path(given) / "images/app.yaml")


def test_what_holds_variables_waits_for_them(write_set: Write) -> None:
    text = "image: app\nfrom: base\npackages: '{{ packages }}'\nlabels: {a: '{{ b }}'}\n"
    library = load_set(write_set({"images/app.yaml": text}))
    app = library.recipes["app"]
    assert (app.model, app.holes) == (None, {"packages": None, "labels": {"a": None}})
    assert library.recipes["base"].model is not None


def test_a_variable_excuses_its_own_type_only(write_set: Write) -> None:
    text = "image: app\nfrom: base\npackages: '{{ packages }}'\ncmd: sh\nusr: '{{ user }}'\n"
    with pytest.raises(Refused) as refused:
        load_set(write_set({"images/app.yaml": text}))
    assert [(item.code, item.spot.line) for item in refused.value.diagnostics] == [
        ("wrong-type", 4),
        ("unknown-key", 5),
    ]


def test_the_mistakes_of_all_files_are_told_together(write_set: Write, tmp_path: Path) -> None:
    overlay = tmp_path / "acme.yaml"
    overlay.write_text("overlay: acme\nimage: {}\n")
    folder = write_set(
        {
            "set.yaml": "set: demo\n",
            "images/a.yaml": "image: a\nform: base\n",
            "images/b.yaml": "",
            "traits/a.yaml": "trait: [a]\n",
            "sites/there.yaml": "site: there\n",
        }
    )
    with pytest.raises(Refused) as refused:
        load_set(folder, [overlay])
    files = {Path(item.spot.file).name for item in refused.value.diagnostics}
    assert files == {"acme.yaml", "set.yaml", "a.yaml", "b.yaml", "there.yaml"}


def test_an_overlay_brings_recipes_of_its_own(write_set: Write, tmp_path: Path) -> None:
    overlay = tmp_path / "acme.yaml"
    overlay.write_text(
        "overlay: acme\nrecipes:\n  - {image: extra, from: base}\n  - {image: base, from: site}\n"
    )
    with pytest.raises(Refused) as refused:
        load_set(write_set({}), [overlay])
    (twice,) = refused.value.diagnostics
    assert (twice.code, twice.spot) == ("duplicate-name", Spot(str(overlay), 4, 13))
    overlay.write_text("overlay: acme\nrecipes:\n  - {image: extra, from: base}\n")
    library = load_set(write_set({}), [overlay])
    assert library.recipes["extra"].written.spot("from") == Spot(str(overlay), 3, 26)


def test_a_link_to_a_set_is_that_set(write_set: Write, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(write_set({}))
    assert load_set(link).set.set_ == "demo"
