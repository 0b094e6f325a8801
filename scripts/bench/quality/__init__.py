"""The quality of the search: `python -m scripts.bench quality` asks judged queries.

A judged query names the events that answer it, each with a grade from 1 to 3. People made the
judgments from the texts of the events, and no search engine took part.
"""
