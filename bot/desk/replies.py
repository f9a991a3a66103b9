"""Replies that fit a conversation, out of what was answered in resolved ones before: templates, found by meaning.

    past dialogues ──► templates, same ones merged ──► vectors ─┐
                                                                ├──► the best k, none saying nearly what another says
    conversation ──────────────────────► one vector ────────────┘

What an agent said to one customer is never shown for another: a template has slots in its place (`bot/desk/templates.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.desk.marks import known_in
from bot.desk.reply_encoder import SPACES, ReplyEncoder, Said
from bot.desk.templates import template_of
from bot.history import window_of
from index.encoders import script_of
from storage.consent import Consent
from storage.database import Database
from storage.errors import Damaged
from storage.principal import Principal
from storage.publish import Versions
from storage.resolved import resolved_conversations

SHORTEST: Final = 2
"""Characters of a reply that says something."""
SAME: Final = 0.95
"""Templates nearer than that say the same, and only the better one is suggested."""
MOST: Final = 50_000
"""Templates that are kept, the most used first: more would take longer to search than an agent should wait."""
_KEPT: Final = "reply-vectors"
_TRIED: Final = 8  # templates looked at for each that is wanted: others say nearly the same


@dataclass(frozen=True, slots=True)
class PastMessage:
    """One message of the past: `role` user, assistant or agent; `feedback` "up", "down" or ""."""

    role: str
    content: str
    feedback: str = ""


@dataclass(frozen=True, slots=True)
class PastDialogue:
    """A resolved dialogue. `known` are slots by value, what the customer's records say (`templates.known_of`)."""

    dialogue_id: str
    messages: Sequence[PastMessage]
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastReply:
    """A template, the newest dialogue in which it was said, and how often it was."""

    template: str
    source_dialogue: str
    times_used: int


@dataclass(frozen=True, slots=True)
class Suggested:
    """A reply to suggest: the template, how well it follows (a cosine), where it was said, and how often."""

    text_template: str
    score: float
    source_dialogue: str
    times_used: int


def answered(messages: Sequence[PastMessage]) -> list[int]:
    """The places of replies to learn from: what follows a customer's turn at once and got no thumb down.

    Where a person took over, only what the person said: the bot's own sentences come from its templates.
    """
    people = any(message.role == "agent" for message in messages)
    roles = ("agent",) if people else ("assistant", "agent")
    spoken = [place for place, message in enumerate(messages) if message.role in ("user", "assistant", "agent")]
    return [
        place
        for before, place in pairwise(spoken)
        if messages[place].role in roles
        and messages[place].feedback != "down"
        and (messages[before].role == "user" or (people and messages[before].role == "assistant"))
    ]


def template_in(dialogue: PastDialogue) -> Callable[[str], str | None]:
    """Makes templates of a dialogue's replies, by its customer's records and by how the dialogue itself names things."""
    known = {**known_in((each.role, each.content) for each in dialogue.messages), **dialogue.known}
    return lambda text: template_of(text, known)


def past_replies(dialogues: Iterable[PastDialogue]) -> list[PastReply]:
    """The templates of resolved dialogues, oldest first; those that differ in spacing and capitals only are one."""
    counts: Counter[str] = Counter()
    newest: dict[str, tuple[str, str]] = {}
    for dialogue in dialogues:
        made = template_in(dialogue)
        for place in answered(dialogue.messages):
            template = made(dialogue.messages[place].content)
            if template is not None and len(template) >= SHORTEST:
                key = template.casefold()
                counts[key] += 1
                newest[key] = template, dialogue.dialogue_id
    return [PastReply(*newest[key], count) for key, count in counts.most_common(MOST)]


def stored_dialogues(
    database: Database, principal: Principal, consent: Consent, records: Callable[[str], Mapping[str, str]]
) -> Iterator[PastDialogue]:
    """The conversations that an agent answered and closed, of people who let models learn from them, oldest first.

    Args:
        database: where from.
        principal: who reads.
        consent: of people who never chose; the shop's `[consent]`.
        records: slots by value of a user's records.

    Raises:
        Forbidden: the role may not read them.
    """
    for each in resolved_conversations(database, principal, consent):
        messages = [PastMessage(turn.role, turn.content) for turn in each.turns]
        yield PastDialogue(each.conversation_id, messages, records(each.user_id))


class ReplyIndex:
    """Past replies by script, searched exactly. Immutable, and safe to share between threads."""

    def __init__(
        self,
        encoder: ReplyEncoder,
        replies: Mapping[str, Sequence[PastReply]],
        vectors: Mapping[str, NDArray[np.float32]],
    ) -> None:
        """`replies` and `vectors` (replies, dim) by space, in one order."""
        self._encoder = encoder
        self._replies = replies
        self._vectors = vectors

    @classmethod
    def build(
        cls,
        replies: Iterable[PastReply],
        encoder: ReplyEncoder,
        known: VectorStore | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ReplyIndex:
        """Embeds the replies; `known` keeps vectors between two starts, and `progress` is called with replies done of all."""
        by_space: dict[str, list[PastReply]] = defaultdict(list)
        for reply in replies:
            by_space[script_of(reply.template)].append(reply)
        total, done, vectors = sum(map(len, by_space.values())), 0, {}
        for space, own in by_space.items():

            def embed(texts: Sequence[str], space: str = space) -> NDArray[np.float32]:
                return encoder.replies(texts, space)

            texts = [reply.template for reply in own]
            vectors[space] = known.vectors(encoder.hash_of(space), texts, embed) if known else embed(texts)
            done += len(own)
            if progress:
                progress(done, total)
        return cls(encoder, by_space, vectors)

    def __len__(self) -> int:
        return sum(map(len, self._replies.values()))

    def suggest(self, history: Said, k: int = 3) -> list[Suggested]:
        """The best replies to what the customer said last, in their script, best first; none where nothing was said.

        Args:
            history: the last turns, {"role", "content"}, oldest first.
            k: at most so many.
        """
        space = self._encoder.space_of(history)
        vectors = self._vectors.get(space)
        if vectors is None or not len(vectors) or k < 1 or not window_of(history).turn:
            return []
        scores = vectors @ self._encoder.conversation(history, space)  # (replies,)
        count = min(k * _TRIED, len(scores))
        best = np.argpartition(-scores, count - 1)[:count]
        chosen: list[int] = []
        for row in best[np.argsort(-scores[best], kind="stable")].tolist():
            if not chosen or float((vectors[chosen] @ vectors[row]).max()) < SAME:
                chosen.append(row)
            if len(chosen) == k:
                break
        found = [(self._replies[space][row], float(scores[row])) for row in chosen]
        return [Suggested(each.template, score, each.source_dialogue, each.times_used) for each, score in found]


class VectorStore:
    """Vectors of texts between two starts of a server, by the text's hash: no text is kept, so nothing of anybody.

    The folder is published whole and checked by hash; one that is damaged costs only the time to embed anew.
    """

    def __init__(self, shop: Path) -> None:
        self._versions = {space: Versions(shop / "models" / _KEPT / space, _KEPT) for space in SPACES}

    def vectors(
        self, hash_: str, texts: Sequence[str], embed: Callable[[Sequence[str]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """(texts, dim) of the encoder that `hash_` names; what is not known is embedded, and then kept."""
        if not texts:
            return embed(texts)
        versions = self._versions["han" if script_of(texts[0]) == "han" else "latin"]
        keys = [hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16] for text in texts]
        known = self._load(versions, hash_)
        missing = [place for place, key in enumerate(keys) if key not in known]
        if missing:
            for place, vector in zip(missing, embed([texts[place] for place in missing]), strict=True):
                known[keys[place]] = vector
        found = np.stack([known[key] for key in keys]).astype(np.float32)
        if len(known) > len(set(keys)) or missing:  # what is no longer said, or was erased, is not kept
            self._keep(versions, hash_, keys, found)
        return found

    @staticmethod
    def _load(versions: Versions, hash_: str) -> dict[bytes, NDArray[np.float32]]:
        try:
            found = versions.verified()
            if found is None or found[1].meta.get("encoder") != hash_:
                return {}
            folder = found[0]
            keys = np.load(folder / "keys.npy", allow_pickle=False)  # (texts, 16)
            rows = np.load(folder / "vectors.npy", allow_pickle=False)  # (texts, dim)
        except (Damaged, ValueError, OSError):
            return {}
        return {key.tobytes(): row for key, row in zip(keys, rows, strict=True)}

    @staticmethod
    def _keep(versions: Versions, hash_: str, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        with versions.lock(), versions.stage() as folder:
            digests = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), 16)
            np.save(folder / "keys.npy", digests, allow_pickle=False)
            np.save(folder / "vectors.npy", vectors, allow_pickle=False)
            versions.publish(folder, {"encoder": hash_})
            versions.sweep(keep=0)
