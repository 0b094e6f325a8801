"""Generate plausible and varied events for load tests, the same for the same seed.

Titles and descriptions draw their words by Zipf's law, as real texts do, so that searches match few
or many events as they would in real data.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eventapp.events.bodies import EventInput, ScheduleEntryInput, TicketTypeInput
from eventapp.events.rules import CATEGORIES

COMMON_WORDS = """
night music open summer jazz city winter story garden live dance light river new world old spring
film voices street market harbour dream wine food craft art science history future ocean mountain
autumn gala evening morning secret golden silver blue red green wild quiet loud slow fast little big
first last next great modern classic ancient electric acoustic royal folk rock opera choir ballet
comedy drama poetry theatre cinema photo design code data robot space planet forest island desert
bridge tower castle palace cathedral museum library school kitchen bakery coffee tea beer cheese
bread chocolate honey salt pepper lemon orange apple cherry rose tulip lavender olive oak pine
birch wolf fox bear eagle owl raven swan whale dolphin horse bicycle tram train boat kite balloon
marathon sprint rally derby cup league match final open championship tournament relay swim climb
yoga chess puzzle quiz game magic circus puppet mask mirror window door ladder candle lantern
fire water earth wind storm rain snow ice sun moon star comet sky cloud thunder echo silence
rhythm melody harmony chorus sonata symphony concerto overture nocturne waltz tango salsa swing
blues soul funk disco techno house ambient baroque punk metal indie gospel reggae flamenco fado
""".split()  # noqa: SIM905
PREFIXES = """
moon sun star river stone wood glass iron silver gold copper velvet paper cloud storm rain snow
frost fire ember ash sea wave harbour island mountain valley meadow forest garden orchard vine
honey salt amber coral crystal shadow light night dawn dusk spring summer autumn winter north
south east west wind thunder feather
""".split()  # noqa: SIM905
SUFFIXES = """
bird song light fall field gate yard house hall works market fair walk run ride way path road
lane bridge tower keeper maker teller singer player dancer weaver wright smith craft lore tale
dream watch bell drum string reed pipe voice echo ring wheel sail boat stone leaf root bloom
""".split()  # noqa: SIM905
COMPOUNDS = [prefix + suffix for suffix in SUFFIXES for prefix in PREFIXES]
WORDS = tuple(dict.fromkeys(COMMON_WORDS + COMPOUNDS))
# Zipf's law: the n-th word is 1/n as frequent as the first. `random.choices` takes sums.
CUMULATIVE_WEIGHTS = tuple(accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))

# Name, latitude and longitude in degrees.
CITIES = (
    ("Athens", 37.9838, 23.7275), ("Thessaloniki", 40.6401, 22.9444), ("Volos", 39.3622, 22.9420),
    ("Rome", 41.9028, 12.4964), ("Milan", 45.4642, 9.1900), ("Naples", 40.8518, 14.2681),
    ("Madrid", 40.4168, -3.7038), ("Barcelona", 41.3874, 2.1686), ("Seville", 37.3891, -5.9845),
    ("Lisbon", 38.7223, -9.1393), ("Porto", 41.1579, -8.6291), ("Paris", 48.8566, 2.3522),
    ("Lyon", 45.7640, 4.8357), ("Marseille", 43.2965, 5.3698), ("Brussels", 50.8503, 4.3517),
    ("Ghent", 51.0543, 3.7174), ("Amsterdam", 52.3676, 4.9041), ("Utrecht", 52.0907, 5.1214),
    ("Berlin", 52.5200, 13.4050), ("Hamburg", 53.5511, 9.9937), ("Munich", 48.1351, 11.5820),
    ("Leipzig", 51.3397, 12.3731), ("Vienna", 48.2082, 16.3738), ("Graz", 47.0707, 15.4395),
    ("Zürich", 47.3769, 8.5417), ("Prague", 50.0755, 14.4378), ("Brno", 49.1951, 16.6068),
    ("Warsaw", 52.2297, 21.0122), ("Kraków", 50.0647, 19.9450), ("Gdańsk", 54.3520, 18.6466),
    ("Budapest", 47.4979, 19.0402), ("Copenhagen", 55.6761, 12.5683), ("Oslo", 59.9139, 10.7522),
    ("Stockholm", 59.3293, 18.0686), ("Helsinki", 60.1699, 24.9384), ("Dublin", 53.3498, -6.2603),
)  # fmt: skip
VENUES = ("Arena", "Old Theatre", "City Hall", "Opera House", "Harbour Stage", "Botanical Garden",
          "Market Hall", "University", "Club 27", "Castle Yard", "Congress Centre", "Open-Air Stage")  # fmt: skip  # noqa: E501
# Name, and price as a multiple of the first type's price.
TICKET_TYPES = (("General", 1.0), ("Reduced", 0.7), ("VIP", 2.5))
TITLE_ENDINGS = (
    "Night",
    "Sessions",
    "Days",
    "Gathering",
    "Experience",
    "Weekend",
    "Tour",
    "Special",
)
# Events take place in the next two years; this share of them took place in the last two.
SPAN_DAYS, PAST_SHARE = 730, 0.08


def generate_bodies(count: int, *, seed: int, today: date) -> Iterator[EventInput]:
    """Yield `count` valid bodies of POST /events, as the schema loads them.

    The same arguments give the same bodies.
    """
    rng = random.Random(seed)
    for _ in range(count):
        yield _generate_body(rng, today)


def _generate_body(rng: random.Random, today: date) -> EventInput:
    words = rng.choices(WORDS, cum_weights=CUMULATIVE_WEIGHTS, k=20)
    return {
        "title": " ".join([*words[: rng.randint(2, 4)], rng.choice(TITLE_ENDINGS)]).title(),
        "description": " ".join(words[4:]).capitalize() + ".",
        "category": rng.choice(CATEGORIES),
        "image": "",
        "schedule": _generate_schedule(rng, today),
        "ticketTypes": _generate_ticket_types(rng),
        "organizer": f"{words[4]} {words[5]} Productions".title(),
        "tags": list(dict.fromkeys(words[:3])),
    }


def _generate_schedule(rng: random.Random, today: date) -> list[ScheduleEntryInput]:
    """Return one to four dates at one venue."""
    is_past = rng.random() < PAST_SHARE
    first = today + timedelta(rng.randint(-SPAN_DAYS, -60) if is_past else rng.randrange(SPAN_DAYS))
    city, lat, lng = rng.choice(CITIES)
    location = f"{rng.choice(VENUES)}, {city}"
    lat, lng = round(lat + rng.uniform(-0.03, 0.03), 4), round(lng + rng.uniform(-0.03, 0.03), 4)
    gap = rng.choice((1, 1, 7, 14))
    dates = [first + timedelta(days=gap * n) for n in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))]
    return [{"date": day, "location": location, "lat": lat, "lng": lng} for day in dates]


def _generate_ticket_types(rng: random.Random) -> list[TicketTypeInput]:
    base_price = rng.choice((0, 5, 8, 10, 12.5, 15, 18, 20, 25, 30, 39.9, 45, 60, 80))
    available = rng.choice((0, 20, 50, 100, 200, 500, 1000, 5000))
    ticket_types = TICKET_TYPES[: rng.choice((1, 1, 2, 2, 3))]
    return [
        {"type": name, "price": round(base_price * factor, 2), "availableTickets": available}
        for name, factor in ticket_types
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    parser.error("no command; use scripts/seed.py --synthetic N")
