"""One tag, one content: what a recipe does not hold makes another tag, or no difference."""

from __future__ import annotations

import pytest
from support.yard.scratch import ARCH, Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]


def test_docker_arguments_are_for_one_image_and_give_it_a_tag_of_its_own(yard: Yard) -> None:
    label = '{{index .Config.Labels "colour"}}'
    told = {}
    for colour in ("red", "blue"):
        done = yard.inv("build", "linux-bookworm-gcc12", "--", "--label", f"colour={colour}")
        assert done.code == 0, done.all
        tag = yard.records()["linux-bookworm-gcc12"]["tag"]
        told[tag] = yard.engine.docker("image", "inspect", "--format", label, f"{yard.repository}:{tag}")

    assert sorted(told.values()) == ["blue", "red"]
    assert all(tag.endswith("-local") for tag in told)
    assert [tag for tag in yard.tags() if "base" in tag] == [yard.inv("tag", "linux-bookworm-base").out.strip()]


def test_a_folder_of_a_named_context_is_the_same_under_every_umask(yard: Yard) -> None:
    yard.catalogue(
        "defaults: {arches: [ARCH]}\naxes: {plain: {linux, open, shut}}\nimages:\n"
        + "".join(
            f"  {name}: {{dockerfile: {name}/Dockerfile, contexts: {{extra/data: data}}, names: {{linux-{name}: }}}}\n"
            for name in ("open", "shut")
        )
    )
    yard.write("data/inner/file", "text\n")
    for name in ("open", "shut"):
        yard.dockerfile(f"{name}/Dockerfile", "COPY --from=extra/data . /data/")
    seen = set()
    for name, umask in (("open", "022"), ("shut", "077")):
        done = yard.run(["sh", "-c", f"umask {umask}; exec python -m invoke build linux-{name}"])
        assert done.code == 0, done.all
        tag = yard.records()[f"linux-{name}"]["tag"]
        image = f"{yard.repository}:{tag}"
        seen.add(yard.engine.docker("run", "--rm", "--entrypoint", "stat", image, "-c", "%a %Y", "/data/inner"))

    assert seen == {"755 946684800"}


def test_two_images_of_one_recipe_are_built_at_the_same_time(yard: Yard) -> None:
    yard.catalogue(
        "defaults: {arches: [ARCH], checks: {slow: {run: sleep 1}}}\naxes: {plain: {linux, one, two}}\n"
        "images: {same: {dockerfile: same/Dockerfile, names: {'linux-{one,two}': }}}\n"
    )
    yard.dockerfile("same/Dockerfile")
    done = yard.nox("-j", "2", "-s", f"build_image(arch='{ARCH}')")

    assert done.code == 0, done.all
    assert yard.outcomes() == {"linux-one": "built", "linux-two": "built"}
    owner = '{{index .Config.Labels "io.imageyard.image"}}'
    for name, record in yard.records().items():
        assert yard.engine.docker("image", "inspect", "--format", owner, f"{yard.repository}:{record['tag']}") == name
