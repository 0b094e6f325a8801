"""What the words of an event say of it."""

from eventapp.core.database import Document
from eventapp.core.textsearch import terms_of
from eventapp.events import store

# Scores are kept as small whole numbers, a byte each.
FINENESS, HIGHEST = 8, 255


def scores_of(event: Document) -> dict[str, int]:
    """What each word of an event says of it: by the weight of its field, repeats less and less."""
    scores: dict[str, float] = {}
    for text, weight in texts_of(event):
        words = terms_of(text)
        for term in words:
            share = weight * (0.5 + 0.5 / len(words))
            scores[term] = max(scores.get(term, 0.0), share) + 0.25 * share * (term in scores)
    return {term: min(HIGHEST, max(1, round(score * FINENESS))) for term, score in scores.items()}


def texts_of(event: Document) -> list[tuple[str, float]]:
    weights = store.TEXT_WEIGHTS
    texts = [(event[name], weights[name]) for name in ("title", "description")]
    return texts + [(tag, weights["tags"]) for tag in event["tags"]]
