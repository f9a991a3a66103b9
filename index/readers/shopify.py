"""Shopify's product export: a row for each variant and each further picture, tied by a handle; only the first row says it all.

Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price
tee,Heavy tee,Color,red,TEE-R,19.90
tee,,,blue,TEE-B,21.90
tee,,,,,                                  a further picture
"""

from __future__ import annotations

from typing import Any, Final

from index.readers.dialects import GROUP, GROUP_TITLE

_SHARED: Final = {
    "Title": "title", "Body (HTML)": "description", "Vendor": "brand", "Product Category": "categories", "Type": "categories",
    "Image Src": "image_url",
}  # fmt: skip
_OWN: Final = {
    "Variant Price": "price", "Variant Compare At Price": "list_price", "Variant Barcode": "gtin",
    "Variant Inventory Qty": "stock",
}  # fmt: skip
_READ_ELSEWHERE: Final = ("Handle", "Variant SKU", "Variant Inventory Policy", "Status")
_OPTIONS: Final = ("Option1", "Option2", "Option3")
_NO_OPTION: Final = "default title"  # what stands where a product has no variants


class ShopifyExport:
    """Completes the rows of one export, which stand together by handle."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}

    @staticmethod
    def wrote(row: dict[str, Any]) -> bool:
        """Whether a row has the columns of such an export."""
        return "Handle" in row and ("Variant Price" in row or "Option1 Value" in row)

    def row(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """The row under our field names with what its handle's first row says; None for one that only adds a picture."""
        handle = str(row.get("Handle") or "").strip()
        if handle != self._head.get("Handle") or row.get("Title"):
            self._head = row | {"Handle": handle}
        values = [str(row.get(f"{option} Value") or "").strip() for option in _OPTIONS]
        if not any((*values, row.get("Variant SKU"), row.get("Variant Price"))):
            return None
        found: dict[str, Any] = {}
        for column, name in _SHARED.items():
            found[name] = found.get(name) or row.get(column) or self._head.get(column)
        found |= {name: row.get(column) for column, name in _OWN.items()}
        names = [str(self._head.get(f"{option} Name") or option) for option in _OPTIONS]
        options = {
            name: value for name, value in zip(names, values, strict=True) if value and value.casefold() != _NO_OPTION
        }
        found["attributes"] = options
        found["id"] = row.get("Variant SKU") or "-".join((handle, *options.values()))
        stock = str(found["stock"] or "")
        if stock.startswith("-"):  # sold beyond what was there
            found["stock"] = stock = "0"
        if stock == "0" and str(row.get("Variant Inventory Policy")).casefold() == "continue":
            found["availability"] = "backorder"
        if str(self._head.get("Status") or "active").casefold() != "active":
            found["availability"] = "discontinued"
        rest = {key: value for key, value in row.items() if not self._reads(key)}
        return rest | found | {GROUP: handle, GROUP_TITLE: self._head.get("Title")}

    @staticmethod
    def _reads(column: str) -> bool:
        return column in _SHARED or column in _OWN or column in _READ_ELSEWHERE or column.startswith(_OPTIONS)
