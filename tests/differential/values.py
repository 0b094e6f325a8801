"""Strategies for the values in requests: usual ones that meet each other, and odd ones."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

# Words of titles, places and searches. Several differ only in case, accents or Unicode form.
WORDS = (
    *("jazz", "Jazz", "JAZZ", "jazzy", "rock", "rock-n-roll", "the", "a", "and", "running", "runs"),
    *("cafe", "café", "cafe\u0301", "CAFÉ", "naïve", "Straße", "STRASSE", "İstanbul", "istanbul"),
    *("Άνοιξη", "ανοιξη", "ΑΝΟΙΞΗ", "άνοιξης", "Ὀδυσσεύς", "οδυσσευς", "Ω", "Ω", "ΣΊΣΥΦΟΣ"),
    *("東京", "музыка", "مهرجان", "חג", "ﬁesta", "fiesta", "１２", "12", "½", "x²"),
    *("🎭", "👩‍🎤", "é" * 40, "\\", "/", "."),
    *("C++", "C#", "o'clock", "it’s", "100%", "_", "-", "-jazz", '"jazz rock"', '"'),
    *(".*", "^jazz$", "[a", "$where", "{}", "a.b", "a,b", "a&b", "<b>"),
    *("\u200b", "\u00ad", "\ufeff"),
    *("abcdefghij" * 19, "x" * 200, "x" * 201, "null", "true", "NaN", "0", "-1", "1e5"),
)  # fmt: skip
PLAIN_WORDS = WORDS[:11]
CITIES = ("Volos", "volos", "Athens", "Αθήνα", "αθηνα", "Volos, Greece", "New York", "Sao Paulo",
          "São Paulo")  # fmt: skip
# Latitude and longitude of places: two are near each other, two are on both sides of the date line,
# one is at a pole.
PLACES = (
    *((39.36, 22.94), (39.37, 22.95), (37.98, 23.73), (0.0, 179.9), (0.0, -179.9), (89.9, 10.0)),
    *((-90.0, 0.0), (0.0, 0.0)),
)
CATEGORIES = ("concert", "theater", "sports", "festival", "other")
TAGS = ("live", "LIVE", "indie", "ζωντανά", "ζωντανα", "a b", "kids", "🎭", "$tag", "a.b")
# The tests begin on 2030-06-01 at 10:00 UTC.
DATES = ("2030-05-31", "2030-06-01", "2030-06-02", "2030-06-03", "2030-06-15", "2030-07-01",
         "2031-01-01", "2099-12-31")  # fmt: skip
TIMES = ("00:00", "09:59", "10:00", "10:01", "12:30", "23:59")
MOMENTS = ("2030-05-01T00:00:00Z", "2030-06-01T10:00:00Z", "2030-06-01T10:00:01Z",
           "2030-06-01T12:00:00+02:00", "2030-06-03T00:00:00.999Z",
           "2030-12-24T20:00:00Z")  # fmt: skip
ZONES = ("Europe/Athens", "UTC", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")
PRICES = (0, 5, 10, 19.99, 0.01, 20, 1000000)
# What no field expects, or few do.
HOSTILE: tuple[Any, ...] = (
    *(None, "", " ", True, -1, 0, 1.5, 10**30, 2**31, 2**63, 2**53 + 1, 1e308, [], {}, [None]),
    *(
        "x",
        "x" * 5000,
        "\x00",
        "\ud83c",
        "💥",
        ["a", "a"],
        {"$gt": ""},
        {"a": {"b": []}},
        [[1]],
        "1",
    ),
)


def words() -> SearchStrategy[str]:
    return st.sampled_from(PLAIN_WORDS) | st.sampled_from(WORDS)


def texts() -> SearchStrategy[str]:
    """One to three words."""
    return st.lists(words(), min_size=1, max_size=3).map(" ".join)


def of(*values: Any) -> SearchStrategy[Any]:
    return st.sampled_from(values)


@st.composite
def record(
    draw: st.DrawFn, required: dict[str, SearchStrategy[Any]], **others: SearchStrategy[Any]
) -> Any:
    """JSON objects with these fields, and each of the others once in three times.

    One object in twelve has a hostile value, or a wrong field.
    """
    body = {**draw(st.fixed_dictionaries(required)), **draw(optional(others, 3))}
    return draw(spoil(body)) if draw(of(*(False,) * 11, True)) else body


@st.composite
def spoil(draw: st.DrawFn, body: dict[str, Any]) -> Any:
    """Return a body of which one part is wrong."""
    if not body or draw(st.integers(0, 9)) == 9:
        return draw(of(*HOSTILE, {**body, "unknown": 1}))
    name = draw(st.sampled_from(sorted(body)))
    how = draw(st.sampled_from(("replace", "deep", "remove", "add")))
    rest = {key: value for key, value in body.items() if key != name}
    value = body[name]
    if how == "remove":
        return rest
    if how == "add":
        return {**body, draw(of("unknown", "_id", "status", "$set", "role")): draw(of(*HOSTILE))}
    if how == "deep" and isinstance(value, dict):
        return {**rest, name: draw(spoil(value))}
    if how == "deep" and isinstance(value, list) and value and isinstance(value[0], dict):
        return {**rest, name: [draw(spoil(value[0])), *value[1:]]}
    return {**rest, name: draw(of(*HOSTILE))}


@st.composite
def schedule_entries(draw: st.DrawFn) -> dict[str, Any]:
    entry: dict[str, Any] = {"date": draw(of(*DATES)), "location": draw(of(*CITIES))}
    if draw(st.booleans()):
        entry["lat"], entry["lng"] = draw(of(*PLACES))
    for name in ("startTime", "endTime", "doorsTime"):
        if draw(st.integers(0, 3)) == 3:
            entry[name] = draw(of(*TIMES))
    if draw(st.integers(0, 4)) == 4:
        entry["timezone"] = draw(of(*ZONES))
    return entry


def sale_terms() -> dict[str, SearchStrategy[Any]]:
    return {
        "salesFrom": of(None, *MOMENTS),
        "salesUntil": of(None, *MOMENTS),
        "minPerBooking": of(None, 1, 2),
        "maxPerBooking": of(None, 1, 3),
        "maxPerUser": of(None, 1, 4),
        "visibility": of(None, "public", "hidden", "secret"),
        "description": texts(),
    }


def optional(
    strategies: dict[str, SearchStrategy[Any]], one_in: int
) -> SearchStrategy[dict[str, Any]]:
    """Objects that have each of these fields once in some times."""

    @st.composite
    def draw_fields(draw: st.DrawFn) -> dict[str, Any]:
        return {
            name: draw(strategy)
            for name, strategy in strategies.items()
            if draw(st.integers(1, one_in)) == one_in
        }

    return draw_fields()


def ticket_types() -> SearchStrategy[list[dict[str, Any]]]:
    """One to three ticket types, called A, B and C, with few tickets."""
    fields = st.fixed_dictionaries(
        {"price": of(*PRICES), "availableTickets": of(0, 1, 2, 3, 5, 100)}
    )
    one = st.builds(lambda basis, terms: {**basis, **terms}, fields, optional(sale_terms(), 8))
    lists = st.lists(one, min_size=1, max_size=3)
    return lists.map(lambda each: [{"type": "ABC"[n], **one} for n, one in enumerate(each)])


def questions() -> SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {"label": words(), "kind": of("text", "choice", "boolean", "date")},
        optional={"required": st.booleans(), "choices": of(["S", "M"], ["é"])},
    )
    return st.lists(one, min_size=1, max_size=2)
