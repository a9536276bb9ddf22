"""Repositories that build what a case builds, with parts of it elsewhere: the Dockerfile, files, folders, arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from hypothesis import strategies as st
from imageyard.catalogue import text
from imageyard.catalogue.arg_files import from_files
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock
from imageyard.recipe.model import Recipe
from imageyard.recipe.recipe import Recipes
from imageyard.treebase import DictTree, Link, Tree
from support.sealed.corpus import Case, Content, recipe_of
from support.stand_ins import PinnedStandIns

__all__ = ["CATALOGUE", "Repository", "repositories"]

CATALOGUE = ".ci/docker/images.yml"
_CONTEXT = "box"
_DOCKERFILE = "docker/any.Dockerfile"
_FOLDERS = {"vendor": "third party/vendored", "src/deep": "deep-one", "conf": "third party/conf"}
"""Folders that may come from elsewhere, and where they are in the repository then."""


@dataclass(frozen=True)
class Repository:
    """A repository whose image `linux` is a case; `moved` has the paths that come from elsewhere, `filed` the args."""

    case: Case
    moved: tuple[str, ...] = ()
    filed: tuple[str, ...] = ()

    @property
    def apart(self) -> Case:
        """The case with its Dockerfile outside its context, all else where it was: what a plain build is given."""
        return replace(self.case, apart=True)

    @cached_property
    def files(self) -> Mapping[str, Content]:
        """All files of the repository, by their paths from its top."""
        found = {self._place(path): content for path, content in self.apart.context_files.items()}
        found |= {f"{_DOCKERFILE}{end}": content for end, content in self.apart.dockerfiles.items()}
        found |= {f"pins/{arg}.txt": f"{self.case.args[arg]}\n".encode() for arg in self.filed}
        return {**found, CATALOGUE: self._catalogue.encode()}

    @cached_property
    def recipes(self) -> Recipes:
        """The recipes of the repository, without a disk."""
        whole = DictTree(self.files)
        texts = {path: content for path, content in self.files.items() if isinstance(content, bytes)}
        source = self._catalogue.encode()
        catalogue = expand(
            text.parse(source, CATALOGUE), CATALOGUE, ".ci/docker", files=from_files(texts, ".ci/docker")
        ).catalogue
        return Recipes(catalogue, whole.sub, Lock(), PinnedStandIns(), assumed=Lock())

    @property
    def recipe(self) -> Recipe:
        """The recipe of its one row."""
        return self.recipes.of(self.recipes.catalogue.rows[0])

    @property
    def trees(self) -> Mapping[str, Tree]:
        """The context, under the name "", and the folders that are named contexts, as a seal is made from them."""
        return self.recipes.trees(self.recipes.catalogue.rows[0])

    def with_others_changed(self) -> Repository:
        """The same with other bytes in every file that the recipe does not name, and with more beside them."""
        used = {file.path for file in self.recipe.files}
        used |= {f"{folder}/{path.partition('//')[2]}" for path in used for folder in self.case.contexts.values()}
        context = {
            path: content if path in used or isinstance(content, Link) or path.endswith(".dockerignore") else b"other"
            for path, content in self.case.context.items()
        }
        return replace(self, case=replace(self.case, context=context))

    @property
    def _catalogue(self) -> str:
        fields = {
            "context": f"/{_CONTEXT}",
            "dockerfile": f"/{_DOCKERFILE}",
            "arches": ["amd64"],
            "contexts": dict(self.case.contexts),
            "files": {path: f"/{self._place(path)}" for path in self.moved},
            "args": {
                arg: f"file:/pins/{arg}.txt" if arg in self.filed else value for arg, value in self.case.args.items()
            },
            "names": {"linux": None},
            **({"target": self.case.target} if self.case.target else {}),
        }
        root = {"axes": {"plain": {"linux": None}}, "images": {"family": fields}}
        return json.dumps(root).replace("null", "~")

    def _place(self, path: str) -> str:
        """Where a path of the context is in the repository."""
        for moved in self.moved:
            if path == moved or path.startswith(f"{moved}/"):
                return _FOLDERS.get(moved, f"elsewhere/{moved}") + path[len(moved) :]
        return f"{_CONTEXT}/{path}"


@st.composite
def repositories(draw: st.DrawFn, cases: st.SearchStrategy[Case]) -> Repository:
    """A repository with some of a case's files, folders and args elsewhere.

    A Dockerfile that is copied is not there when it stands outside its context, so that no such case is drawn.
    """
    case = draw(cases.filter(lambda one: b"COPY Dockerfile" not in one.dockerfile))
    declared = recipe_of(case).build_args  # a catalogue may not set what no reached stage declares
    case = replace(case, args={arg: value for arg, value in case.args.items() if arg in declared})
    folders = draw(st.lists(st.sampled_from(sorted(_FOLDERS)), unique=True))
    free = [
        path
        for path, content in case.context_files.items()
        if " " not in path  # the catalogue takes no such name
        and not isinstance(content, Link)
        and not any(path.startswith(f"{folder}/") for folder in folders)
    ]
    files = draw(st.lists(st.sampled_from(sorted(free)), unique=True, max_size=6))
    filed = draw(st.lists(st.sampled_from(sorted(case.args)), unique=True)) if case.args else []
    return Repository(case, (*folders, *files), tuple(filed))
