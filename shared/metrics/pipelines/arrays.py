"""Expressions on arrays."""

from shared.storage.database import Document


def indices(array: Document | str) -> Document:
    """Give all indices of `array`."""
    return {"$range": [0, {"$size": array}]}


def places(array: Document | str, condition: Document) -> Document:
    """Give the indices of `array` for which a condition on `$$place` holds."""
    return {"$filter": {"input": indices(array), "as": "place", "cond": condition}}


def at_places(array: str, chosen: Document | str) -> Document:
    """Give the elements of `array` at the chosen indices."""
    here = {"$arrayElemAt": [array, "$$place"]}
    return {"$map": {"input": chosen, "as": "place", "in": here}}


def map_each(array: str, each: Document) -> Document:
    """Give `each` of `$$this` for the elements of `array`."""
    return {"$map": {"input": array, "in": each}}
