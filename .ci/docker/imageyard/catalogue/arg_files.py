"""Build args whose value is the line of a file: `file:/PATH`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from imageyard.catalogue.nodes import Text, error_at
from imageyard.catalogue.scalars import FieldFault, arg_value, repository_file
from imageyard.errors import ConfigurationError
from imageyard.repository_paths import from_top

__all__ = ["ArgFiles", "from_files", "no_file"]

_HINT = "the file holds one line, which is the arg's value"


class ArgFiles:
    """The files of a repository that args are read from, each read once.

    `folder` is the catalogue's, from which a path without a slash in front counts. `read` gives the bytes of a file by
    its path from the repository's top; it raises ConfigurationError where there is none.
    """

    def __init__(self, folder: str, read: Callable[[str], bytes]) -> None:
        self._folder = folder
        self._read = read
        self._bytes: dict[str, bytes] = {}

    @property
    def read(self) -> Mapping[str, bytes]:
        """The files that were read, by their paths from the repository's top."""
        return MappingProxyType(self._bytes)

    def line(self, named: str, node: Text) -> tuple[str, str]:
        """The file that an arg names, by its path from the repository's top, and its one line.

        Raises ConfigurationError at `node` for a file that is not there, or that is not one line.
        """
        path = from_top(self._folder, named)
        try:
            repository_file(named)
            if path not in self._bytes:
                self._bytes[path] = self._read(path)
            return path, _line(self._bytes[path], path)
        except FieldFault as fault:
            raise error_at(node, fault.headline, hint=fault.hint) from None
        except ConfigurationError as error:
            raise error_at(node, error.headline, hint=error.hint) from None


def from_files(texts: Mapping[str, bytes], folder: str = ".") -> ArgFiles:
    """Files that are given by their paths from the repository's top."""

    def read(path: str) -> bytes:
        if path not in texts:
            raise no_file(path)
        return texts[path]

    return ArgFiles(folder, read)


def no_file(path: str) -> ConfigurationError:
    """The error of a file that is not there."""
    return ConfigurationError(f"there is no file {path}", hint="write it, or name another one: file:/PATH")


def _line(data: bytes, path: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise FieldFault(f"{path} is not UTF-8", _HINT) from None
    line = text.removesuffix("\n").removesuffix("\r")
    if "\n" in line or not line.strip():
        lines = "no line" if not line.strip() else f"{line.count(chr(10)) + 1} lines"
        raise FieldFault(f"{path} has {lines}", _HINT)
    try:
        return arg_value(line)
    except FieldFault as fault:
        raise FieldFault(f"{path}: {fault.headline}", fault.hint) from None
