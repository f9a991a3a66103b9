"""What a shopper turns to next, from the order in which they looked: a sequence model and the Markov chain beside it."""

from retrieval.sequence.foresight import Foresight
from retrieval.sequence.histories import Histories
from retrieval.sequence.model import KIND, SequenceFacts, SequenceModel, load_sequence, sequence_versions
from retrieval.sequence.network import Shape
from retrieval.sequence.transitions import Transitions

__all__ = [
    "KIND",
    "Foresight",
    "Histories",
    "SequenceFacts",
    "SequenceModel",
    "Shape",
    "Transitions",
    "load_sequence",
    "sequence_versions",
]
