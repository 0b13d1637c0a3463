"""Deterministic relevance: the share of a query's words that a document holds."""

import re
from typing import Final

from switchgear.kernel.chat import Usage
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.retrieval import Ranked, Ranking, Rerank
from switchgear.providers.simulator.words import split_tokens

_MOST_DOCUMENTS: Final = 1000
_WORD: Final = re.compile(r"\w+")


def ranking(asked: Rerank, id: str, model: str) -> Ranking:
    """The documents by relevance, then by position. Raises BadRequest for none, or too many."""
    if not 1 <= len(asked.documents) <= _MOST_DOCUMENTS:
        raise BadRequest(f"between 1 and {_MOST_DOCUMENTS} documents at once", param="documents")
    query = _words(asked.query)
    scored = [(len(query & _words(document)) / max(1, len(query)), at) for at, document in enumerate(asked.documents)]
    scored.sort(key=lambda item: (-item[0], item[1]))
    results = tuple(
        Ranked(index=at, relevance=relevance, document=asked.documents[at] if asked.return_documents else None)
        for relevance, at in scored[: asked.top]
    )
    tokens = len(split_tokens(asked.query)) + sum(len(split_tokens(document)) for document in asked.documents)
    return Ranking(id=id, model=model, results=results, usage=Usage(input=tokens), searches=1)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
