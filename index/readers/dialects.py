"""The ways in which others spell a product, translated to our field names: ACP and Google feeds, schema.org JSON-LD.

ACP: the Agentic Commerce Protocol's feed schema (`products.jsonl`, one product with its variants a line) and the older
flat one (a variant a row, tied by a group id), whose names are those of Google's product data. JSON-LD: schema.org
`Product` and `ProductGroup`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from index.money import currency_of, parse_money
from index.readers.product import Notes, nothing, pairs_of

GROUP, GROUP_TITLE = "item_group_id", "item_group_title"
"""Keys of a translated row: what ties the rows that list the variants of one product, and the title that they share."""
_FIELDS: Final = frozenset(
    "id title description brand categories price list_price availability stock attributes variants gtin mpn rating "
    "delivery published_at image_url url language currency".split()
)
# Flat feeds: their column → our field. Several of theirs for one of ours: the first that is filled counts.
_FLAT: Final = {
    "item_id": "id", "name": "title", "product_name": "title", "link": "url", "product_url": "url",
    "image_link": "image_url", "image": "image_url", "product_category": "categories", "product_type": "categories",
    "google_product_category": "categories", "category": "categories", "quantity": "stock",
    "inventory_quantity": "stock", "availability_date": "published_at", "manufacturer": "brand",
    "compare_at_price": "list_price", "ean": "gtin", "upc": "gtin", "item_group_id": GROUP,
    "group_id": GROUP, "item_group_title": GROUP_TITLE, "group_title": GROUP_TITLE,
}  # fmt: skip
_ATTRIBUTES: Final = frozenset(
    "color colour size material gender age_group pattern condition weight dimensions size_system size_type".split()
)
_OPTIONS: Final = ("color", "colour", "size", "material", "pattern", "gender", "age_group")
_POINTS: Final = frozenset({"@type", "@id", "url"})
_SCHEMA: Final = re.compile(r"^(?:https?://schema\.org/|schema:)")


def translate(row: dict[str, Any], currency: str, notes: Notes) -> dict[str, Any]:
    """The row under our field names, whichever dialect it is in; unknown fields are counted in `notes.unused`."""
    if "@type" in row:
        return _json_ld(row, currency)
    if _is_acp(row):
        return _acp(row, notes)
    return _flat(row, currency, notes)


def _attributes(value: Any, notes: Notes) -> dict[str, Any]:
    """Attributes in any shape by name; none where they cannot be read, which is counted."""
    pairs = () if nothing(value) else pairs_of(value)
    if pairs is None:
        notes.bad["attributes"] += 1
    return {str(name): given for name, given in pairs or ()}


def schema_objects(value: Any) -> Iterable[dict[str, Any]]:
    """All schema.org products in a JSON document: a product, a list, an @graph, an ItemList, or pages about them."""
    if isinstance(value, list):
        for item in value:
            yield from schema_objects(item)
    elif isinstance(value, dict):
        if _types(value) & {"Product", "ProductGroup", "IndividualProduct", "ProductModel", "Book", "Vehicle"}:
            yield value
            return
        for key in ("@graph", "itemListElement", "item", "mainEntity", "products"):
            if key in value:
                yield from schema_objects(value[key])


def linked(rows: list[Any]) -> Iterable[Any]:
    """The rows of a document, each `{"isVariantOf": {"@id": "#coat"}}` with the ProductGroup that is meant in its place."""
    groups = {
        row["@id"]: row
        for row in rows
        if isinstance(row, dict) and "ProductGroup" in _types(row) and isinstance(row.get("@id"), str)
    }
    for row in rows:
        named = row.get("isVariantOf") if isinstance(row, dict) else None
        name = named.get("@id") if isinstance(named, dict) else named
        yield row | {"isVariantOf": groups[name]} if isinstance(name, str) and name in groups else row


def _types(value: dict[str, Any]) -> set[str]:
    types = value.get("@type")
    return {_SCHEMA.sub("", str(name)) for name in (types if isinstance(types, list) else [types])}


def _is_acp(row: dict[str, Any]) -> bool:
    """Whether a row has the nested shapes that only ACP's feed schema has."""
    if isinstance(row.get("media"), list) or isinstance(row.get("availability"), dict):
        return True
    variants = row.get("variants")
    return isinstance(variants, list) and any(
        isinstance(variant, dict) and not variant.keys().isdisjoint(("variant_options", "barcodes", "media"))
        for variant in variants
    )


def _acp(row: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """ACP Product: everything but id, title, description, url and media stands on its variants.

    What is not of the shape that ACP gives it stays as it is, for the reader of the field to understand or to count.
    """
    given = row.get("variants")
    variants = [variant for variant in given if isinstance(variant, dict)] if isinstance(given, list) else []
    lead = variants[0] if variants else {}
    attributes = _attributes(row.get("attributes"), notes)
    if lead.get("condition"):
        attributes["condition"] = lead["condition"]
    codes = [code for source in (row, lead) for code in _barcodes(source.get("barcodes"), notes)]
    result = {
        "id": row.get("id"),
        "title": row.get("title") or lead.get("title"),
        "description": row.get("description") or lead.get("description"),
        "brand": row.get("brand"),
        "categories": _category(row.get("categories"), lead.get("categories")),
        "price": row.get("price"),
        "list_price": row.get("list_price") or lead.get("list_price"),
        "availability": row.get("availability"),
        "attributes": attributes,
        "gtin": next((code.get("value") for code in codes), None),
        "url": row.get("url") or lead.get("url"),
        "image_url": _media(row.get("media")) or _media(lead.get("media")),
        "variants": [_acp_variant(variant) for variant in given] if isinstance(given, list) else given,
    }
    return {**{key: row[key] for key in _FIELDS & row.keys()}, **{k: v for k, v in result.items() if v is not None}}


def _acp_variant(variant: Any) -> Any:
    if not isinstance(variant, dict):
        return variant
    return {
        "id": variant.get("id"),
        "title": variant.get("title"),
        "price": variant.get("price"),
        "availability": variant.get("availability"),
        "options": variant.get("variant_options") or variant.get("options"),
    }


def _barcodes(value: Any, notes: Notes) -> list[dict[str, Any]]:
    """The codes of a product or variant that are objects; whatever else stands there is counted."""
    found = _list(value)
    codes = [code for code in found if isinstance(code, dict) and code]
    if bad := sum(not nothing(code) for code in found) - len(codes):
        notes.bad["barcodes"] += bad
    return codes


def _category(own: Any, of_variant: Any) -> Any:
    """The merchant's own path ("Apparel > Shirts") before one of somebody else's taxonomy."""
    if not isinstance(own or of_variant or [], list):
        return own or of_variant
    paths = [*(own or ()), *(of_variant if isinstance(of_variant, list) else ())]
    if not all(isinstance(path, dict) for path in paths):
        return paths
    own = [path for path in paths if path.get("taxonomy") in (None, "", "merchant")]
    return (own or paths)[0].get("value") if paths else None


def _media(media: Any) -> Any:
    items = [item for item in media if isinstance(item, dict)] if isinstance(media, list) else []
    return next((item.get("url") for item in items if item.get("type") in (None, "image")), None)


def _flat(row: dict[str, Any], currency: str, notes: Notes) -> dict[str, Any]:
    result: dict[str, Any] = {key: row[key] for key in _FIELDS & row.keys() if key != "currency"}
    attributes: dict[str, Any] = {}
    for key, value in row.items():
        name = key.strip().casefold().replace(" ", "_") if isinstance(key, str) else ""
        if key in result or value in (None, ""):
            continue
        target = name if name in _FIELDS else _FLAT.get(name)
        if target == "currency":
            continue
        if target:
            result[target] = result.get(target) or value
        elif name in _ATTRIBUTES:
            attributes["color" if name == "colour" else name] = value
        elif name.startswith("custom_variant") and name.endswith("_category"):
            attributes[str(value)] = row.get(name.replace("_category", "_option"))
        elif name not in _READ_ELSEWHERE and not name.startswith("custom_variant"):
            notes.unused[str(key)] += 1
    if attributes:
        result["attributes"] = attributes | _attributes(result.get("attributes"), notes)
    _flat_offer(row, result, currency)
    return result


_READ_ELSEWHERE: Final = frozenset(
    {"sale_price", "product_review_rating", "product_review_count",
     "review_count", "star_rating", "currency"}
)  # fmt: skip


def _flat_offer(row: dict[str, Any], result: dict[str, Any], currency: str) -> None:
    """Sale price, rating and the row's own currency, where a flat feed spreads them over columns."""
    if row.get("sale_price") not in (None, ""):
        result["list_price"], result["price"] = result.get("price"), row["sale_price"]
    for name in ("price", "list_price"):
        # A currency column speaks for prices that carry none themselves.
        if not nothing(row.get("currency")) and isinstance(result.get(name), str | int | float):
            result[name] = _in_currency(result[name], row["currency"], currency)
    stars = row.get("product_review_rating") or row.get("star_rating")
    if stars not in (None, "") and "rating" not in result:
        count = row.get("product_review_count") or row.get("review_count")
        result["rating"] = {"value": stars, "count": count}


def _json_ld(row: dict[str, Any], currency: str) -> dict[str, Any]:
    offers = _offers(row.get("offers"))
    offer = offers[0] if offers else {}
    # A variant that is only pointed at stands elsewhere, as a product of its own.
    variants = [
        item for item in _list(row.get("hasVariant")) if isinstance(item, dict) and len(item.keys() - _POINTS) > 0
    ]
    attributes = {name: _named(row.get(name)) for name in _ATTRIBUTES if row.get(name)}
    for extra in _list(row.get("additionalProperty")):
        if isinstance(extra, dict) and extra.get("name"):
            unit = extra.get("unitText") or ""
            attributes[str(extra["name"])] = f"{extra.get('value')} {unit}".strip() if unit else extra.get("value")
    return {
        "id": _identity(row),
        "title": row.get("name"),
        "description": row.get("description"),
        "brand": _named(row.get("brand")) or _named(row.get("manufacturer")),
        "categories": _named(row.get("category")),
        "price": _offer_price(offer, currency),
        "list_price": _list_price(offer, currency),
        "availability": offer.get("availability"),
        "stock": _value(offer.get("inventoryLevel")),
        "attributes": attributes,
        "variants": [_ld_variant(variant, row, currency) for variant in variants],
        "gtin": next((row[key] for key in ("gtin", "gtin13", "gtin14", "gtin12", "gtin8") if row.get(key)), None),
        "mpn": row.get("mpn"),
        "rating": _ld_rating(row.get("aggregateRating")),
        "published_at": row.get("releaseDate"),
        "image_url": _url(row.get("image")),
        "url": row.get("url") or offer.get("url"),
        "language": _named(row.get("inLanguage")),
        **_ld_group(row),
    }


def _ld_group(row: dict[str, Any]) -> dict[str, Any]:
    """The ProductGroup that a variant on a page of its own says it belongs to."""
    group = next(iter(_list(row.get("isVariantOf"))), None)
    named = group if isinstance(group, dict) else {"@id": group}
    return {GROUP: row.get("inProductGroupWithID") or _identity(named), GROUP_TITLE: named.get("name")}


def _identity(row: dict[str, Any]) -> Any:
    keys = ("productGroupID", "sku", "productID", "identifier", "@id", "mpn", "url")
    return next((_value(row[key]) for key in keys if row.get(key)), None)


def _ld_variant(variant: dict[str, Any], group: dict[str, Any], currency: str) -> dict[str, Any]:
    offers = _offers(variant.get("offers"))
    offer = offers[0] if offers else {}
    varies = [_SCHEMA.sub("", str(name)) for name in _list(group.get("variesBy"))]
    names = dict.fromkeys([*varies, *(name for name in _OPTIONS if variant.get(name))])
    return {
        "id": _identity(variant),
        "title": variant.get("name"),
        "price": _offer_price(offer, currency),
        "availability": offer.get("availability"),
        "stock": _value(offer.get("inventoryLevel")),
        "options": {name: _named(variant.get(name)) for name in names if variant.get(name)},
    }


def _offers(value: Any) -> list[dict[str, Any]]:
    """The offers of a product: one, a list, or an AggregateOffer with its own."""
    found = []
    for offer in _list(value):
        if isinstance(offer, dict):
            inner = _offers(offer.get("offers")) if "AggregateOffer" in _types(offer) else []
            found += inner or [offer]
    return found


def _offer_price(offer: dict[str, Any], currency: str) -> Any:
    """Price and currency of an Offer, its first UnitPriceSpecification, or an AggregateOffer's lowest."""
    own = [spec for spec in _list(offer.get("priceSpecification")) if isinstance(spec, dict)]
    plain = [spec for spec in own if not str(spec.get("priceType", "")).endswith(("ListPrice", "SRP", "MSRP"))]
    return _priced((offer, *plain), ("price", "lowPrice"), currency)


def _list_price(offer: dict[str, Any], currency: str) -> Any:
    own = [spec for spec in _list(offer.get("priceSpecification")) if isinstance(spec, dict)]
    listed = [spec for spec in own if str(spec.get("priceType", "")).endswith(("ListPrice", "SRP", "MSRP"))]
    return _priced(listed, ("price",), currency)


def _priced(sources: Iterable[dict[str, Any]], names: tuple[str, ...], currency: str) -> Any:
    for source in sources:
        value = next((source[name] for name in names if source.get(name) not in (None, "")), None)
        if value is not None:
            return _in_currency(value, source.get("priceCurrency"), currency)
    return None


def _in_currency(value: Any, named: Any, shop: str) -> Any:
    """A price in the currency that its row names beside it.

    What is no price stays as it is, to be counted as bad, and so does not become one of the shop's currency where
    nobody knows the one named.
    """
    text = shop if nothing(named) else str(named).strip()
    code = shop if text.upper() == shop else currency_of(text, shop)
    if code is None:
        return None if nothing(value) else {"amount": None, "currency": text}
    return parse_money(value, code) or value


def _ld_rating(value: Any) -> Any:
    """An AggregateRating on a scale of 5; another scale (`bestRating`, `worstRating`) is brought to it."""
    if not isinstance(value, dict):
        return value
    count = value.get("reviewCount") or value.get("ratingCount") or 0
    stars, best = value.get("ratingValue"), value.get("bestRating") or 5
    try:
        scaled = float(str(stars)) * 5 / float(str(best))
    except (ValueError, ZeroDivisionError):
        return {"value": stars, "count": count}
    return {"value": round(scaled, 2), "count": count}


def _named(value: Any) -> Any:
    """The name of a thing that may be given as text or as an object: {"@type": "Brand", "name": "Acme"} → "Acme"."""
    if isinstance(value, list):
        return [_named(item) for item in value]
    return value.get("name") or value.get("value") if isinstance(value, dict) else value


def _value(value: Any) -> Any:
    return value.get("value") if isinstance(value, dict) else value


def _url(value: Any) -> Any:
    first = next(iter(_list(value)), None)
    return first.get("contentUrl") or first.get("url") if isinstance(first, dict) else first


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
