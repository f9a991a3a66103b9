"""What `finetune retriever` makes and an index carries: encoders in place of the pretrained ones, and the weights of the sources.

An index version holds its own copy, so that encoder, vectors and weights are replaced by one rename.

    encoders/<space>/       a complete encoder, where it was tuned
    manifest.json           kind "retriever"; its meta has "fusion": {source: weight}
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from index.encoders import Encoder, encoder_for
from storage.errors import Damaged
from storage.publish import Versions, read_manifest

KIND: Final = "retriever"
FOLDER: Final = "encoders"
_MOST_SOURCES: Final = 32


@dataclass(frozen=True)
class Retriever:
    """Tuned encoders by space, the weight of each source of a search, and which version that is.

    Where it names none, the pretrained encoder and the default weights serve; `Retriever()` is all of that.
    """

    encoders: Mapping[str, Path] = field(default_factory=dict)
    fusion: Mapping[str, float] = field(default_factory=dict)
    version: str | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The retriever of a model folder, every file's hash checked; raises `Damaged` or `NotFound`."""
        return cls.of(folder, {**read_manifest(folder, KIND).meta, "version": folder.resolve().name})

    @classmethod
    def of(cls, folder: Path, meta: Mapping[str, Any]) -> Self:
        """The retriever in a folder whose files are checked: a model's, or an index version's.

        Raises:
            Damaged: the weights are none.
        """
        weights = meta.get("fusion") or {}
        sound = isinstance(weights, dict) and len(weights) <= _MOST_SOURCES
        if not sound or not all(isinstance(each, int | float) and 0 <= each < math.inf for each in weights.values()):
            raise Damaged(f"{folder} has weights of sources that are none.", "Build or train it again.")
        places = sorted((folder / FOLDER).iterdir()) if (folder / FOLDER).is_dir() else []
        return cls({place.name: place for place in places}, weights, meta.get("version"))

    def encoder(self, space: str, cache: Path) -> Encoder:
        """The encoder of a space: the tuned one, else the pretrained one, which is exported into `cache` the first time."""
        return Encoder.load(self.encoders[space]) if space in self.encoders else encoder_for(space, cache)

    def encoders_of(self, spaces: Iterable[str], cache: Path) -> dict[str, Encoder]:
        """The encoders of the spaces that an index carries."""
        return {space: self.encoder(space, cache) for space in spaces}

    def copy_into(self, folder: Path, spaces: Iterable[str]) -> None:
        """Copies the tuned encoders of these spaces into the folder of an index; by hard link where the disk has them."""
        for space in spaces:
            if space in self.encoders:
                shutil.copytree(self.encoders[space], folder / FOLDER / space, copy_function=_link)

    @property
    def meta(self) -> dict[str, Any]:
        """What the manifest of an index says of it."""
        return {"fusion": dict(self.fusion), "version": self.version}


def retriever_versions(shop: Path) -> Versions:
    """The retrievers of a shop's folder."""
    return Versions(shop / "models" / KIND, KIND)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)
