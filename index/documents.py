"""The shop's policies, questions and guides: Markdown files cut into passages that can be found and quoted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from index.clean import clean_text, is_cjk
from index.encoders import script_of
from storage.errors import Damaged, InvalidInput

LAYOUT_FILE: Final = "documents.json"
_LONGEST_FILE: Final = 2 * 2**20
_PASSAGE: Final = {"latin": 600, "han": 250}  # characters: about 120 tokens, so that no encoder cuts them
# None of these goes over the same characters twice: a page of nothing but spaces or "[" takes no longer than another.
_HEADING: Final = re.compile(r"^#{1,6}\s+(\S.*)$")
_FRONT: Final = re.compile(r"\A---[^\S\n]*\n(.*?)\n---[^\S\n]*(?:\n|\Z)", re.DOTALL)
_FACT: Final = re.compile(r"^(\w+)[^\S\n]*:(.*)$", re.MULTILINE)
_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\((?:[^()\n]|\([^()\n]*\)){0,2000}\)")
_MARKUP: Final = re.compile(r"[*_`]{1,3}(?=\S)([^*_`]+)[*_`]{1,3}|^[^\S\n]*>\s?", re.MULTILINE)
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that is found and quoted as one. `heading` is the nearest above it, "" where it is the title."""

    document_id: str
    title: str
    heading: str
    text: str
    language: str

    @property
    def embedded(self) -> str:
        """What is embedded of it: where it stands, then what it says."""
        return " · ".join(part for part in (self.title, self.heading, self.text) if part)


@dataclass(frozen=True, slots=True)
class Document:
    """One topic. `id` is the file's path in its folder without ".md"."""

    id: str
    title: str
    language: str
    passages: tuple[Passage, ...]


def read_documents(folder: Path) -> list[Document]:
    """All Markdown files below `folder`, in the order of their paths.

    The first heading is the title; `language` stands in front matter, else the script decides. A file without text is
    left out.

    Raises:
        InvalidInput: there is no such folder, or a file is not UTF-8 or too large.
    """
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}.", "Give a folder of Markdown files.")
    documents = []
    for path in sorted(folder.rglob("*.md")):
        if path.stat().st_size > _LONGEST_FILE:
            raise InvalidInput(f"{path} is larger than 2 MiB.", "Split it into topics.")
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{path} is not UTF-8 at byte {error.start}.", "Save it as UTF-8.") from None
        document = parse_document(path.relative_to(folder).with_suffix("").as_posix(), text)
        if document.passages:
            documents.append(document)
    return documents


def parse_document(document_id: str, text: str) -> Document:
    """One Markdown file as a document."""
    text = text.replace("\r\n", "\n")
    front = _FRONT.match(text)
    facts = {name: value.strip().strip("\"'") for name, value in _FACT.findall(front.group(1))} if front else {}
    body = text[front.end() :] if front else text
    title, sections = "", list[tuple[str, list[str]]]([("", [])])
    for block in re.split(r"\n\s*\n|\n(?=#)|(?<=\n)(?=#)", body):
        first, _, rest = block.strip().partition("\n")
        heading = _HEADING.match(first)
        if heading:
            name = _plain(heading.group(1).rstrip().rstrip("#"))
            if not title:
                title = name
            else:
                sections.append((name, []))
            block = rest
        if plain := _plain(block):
            sections[-1][1].append(plain)
    title = title or facts.get("title", "") or Path(document_id).name.replace("-", " ").replace("_", " ")
    whole = title + "".join(part for _, parts in sections for part in parts)
    language = facts.get("language") or ("zh" if _mostly_han(whole) else "en")
    passages = [
        Passage(document_id, title, heading, piece, language)
        for heading, parts in sections
        for piece in _pieces(parts, _PASSAGE["han" if _mostly_han(whole) else "latin"])
    ]
    return Document(document_id, title, language, tuple(passages))


@dataclass(frozen=True, slots=True)
class DocumentIndex:
    """The documents of a snapshot and the vectors of their passages: `vectors[space]` is (places[space], dim)."""

    documents: tuple[Document, ...] = ()
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    places: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    @property
    def passages(self) -> list[Passage]:
        """All passages; `places` counts in this order."""
        return [passage for document in self.documents for passage in document.passages]

    def __len__(self) -> int:
        """How many documents there are."""
        return len(self.documents)

    def get(self, document_id: str) -> Document | None:
        """The document of that id, or None."""
        return next((document for document in self.documents if document.id == document_id), None)

    def search(
        self, space: str, vector: NDArray[np.float32], k: int, language: str | None = None
    ) -> list[tuple[Passage, float]]:
        """The `k` passages nearest to `vector` (dim,) with their cosines, best first; only of `language` where given."""
        if space not in self.vectors:
            return []
        passages, places = self.passages, self.places[space]
        scores = self.vectors[space] @ vector  # (passages,)
        order = np.argsort(-scores, kind="stable")
        found = ((passages[places[place]], float(scores[place])) for place in order)
        return [pair for pair in found if language is None or pair[0].language == language][:k]

    def save(self, folder: Path) -> None:
        """Writes `documents.json` and two arrays a space into an existing folder."""
        records = [
            {
                "id": d.id,
                "title": d.title,
                "language": d.language,
                "passages": [[p.heading, p.text] for p in d.passages],
            }
            for d in self.documents
        ]
        body = {"spaces": sorted(self.vectors), "documents": records}
        (folder / LAYOUT_FILE).write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
        for space, vectors in self.vectors.items():
            np.save(folder / f"documents.{space}.npy", vectors, allow_pickle=False)
            np.save(folder / f"documents.{space}.places.npy", self.places[space], allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; the caller has checked the hashes."""
        try:
            body = json.loads((folder / LAYOUT_FILE).read_text(encoding="utf-8"))
            documents = tuple(_document(record) for record in body["documents"])
            vectors = {
                space: np.load(folder / f"documents.{space}.npy", allow_pickle=False) for space in body["spaces"]
            }
            places = {
                space: np.load(folder / f"documents.{space}.places.npy", allow_pickle=False) for space in body["spaces"]
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{folder} holds no documents: {error}.", "Build the index again.") from error
        return cls(documents, vectors, places)


def _document(record: dict[str, Any]) -> Document:
    id_, title, language = record["id"], record["title"], record["language"]
    passages = tuple(Passage(id_, title, heading, text, language) for heading, text in record["passages"])
    return Document(id_, title, language, passages)


def _plain(markdown: str) -> str:
    """The words of a Markdown block: links keep their text, emphasis and quote marks go."""
    for _ in range(2):  # the second time where a picture was the text of a link
        markdown = _LINK.sub(r"\1", markdown)
    return clean_text(_MARKUP.sub(lambda match: match.group(1) or "", markdown))


def _pieces(paragraphs: Sequence[str], limit: int) -> Iterator[str]:
    """Paragraphs joined up to `limit` characters; a longer one is cut between sentences, a longer sentence anywhere."""
    piece = ""
    for part in (sentence for paragraph in paragraphs for sentence in _sentences(paragraph, limit)):
        if piece and len(piece) + len(part) + 1 > limit:
            yield piece
            piece = ""
        piece = f"{piece} {part}".strip()
    if piece:
        yield piece


def _sentences(paragraph: str, limit: int) -> Iterator[str]:
    if len(paragraph) <= limit:
        yield paragraph
        return
    for sentence in _SENTENCE.split(paragraph):
        for start in range(0, len(sentence), limit):
            if part := sentence[start : start + limit].strip():
                yield part


def _mostly_han(text: str) -> bool:
    return script_of(text) == "han" and sum(map(is_cjk, text)) * 4 > sum(map(str.isalpha, text))
