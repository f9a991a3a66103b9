"""A catalog with quantities and sizes, in two languages; what each kind of product there is described by."""

from __future__ import annotations

from retrieval.understanding import Understander
from tests.retrieval.catalog_words import Words

_DESCRIBED: dict[str, dict[str, list[str]]] = {
    "Electric Kettles": {"capacity": ["0.8 L", "1.2 L", "1.7 L"], "power": ["1200 W", "2200 W"]},
    "Backpacks": {"capacity": ["20 L", "35 L", "50 L"], "weight": ["900 g", "1.6 kg"]},
    "Travel Mugs": {"capacity": ["350 ml", "16 oz", "600 ml"]},
    "Monitors": {"screen size": ["24 inches", "27 inches", "32 inches"], "refresh rate": ["60 Hz", "144 Hz"]},
    "Tablets": {"screen size": ["8.7 inches", "10.9 inches"], "storage": ["64 GB", "256 GB", "1 TB"]},
    "Cordless Vacuums": {"battery life": ["45 minutes", "1 h 10 min"], "weight": ["1.6 kg", "2 kg"]},
    "Headphones": {"battery life": ["20 hours", "2 days"], "charging time": ["1 hour", "3 hours"]},
    "Office Chairs": {"maximum load": ["100 kg", "120 kg", "150 kg"], "weight": ["12 kg"]},
    "Dog Foods": {"net weight": ["3 kg", "12 kg"]},
    "Power Banks": {"battery capacity": ["5000 mAh", "20000 mAh"]},
    "USB Hubs": {"ports": ["4 ports", "7 ports"]},
    "Board Games": {"players": ["2-4", "3-8"]},
    "Tents": {"sleeps": ["2 persons", "4 persons"]},
    "Puzzles": {"pieces": ["500 pieces", "1000 pieces"], "recommended age": ["3-6 years", "8 years and up"]},
    "Air Purifiers": {"covers": ["20 m²", "60 m²"], "noise level": ["24 dB", "35 dB"]},
    "Sunscreens": {"sun protection": ["SPF 30", "SPF 50+"], "volume": ["50 ml", "200 ml"]},
    "Speakers": {"water resistance": ["IPX4", "IP67"]},
    "Webcams": {"resolution": ["720p", "1080p", "4K"]},
    "Hoses": {"length": ["10 m", "20 m"], "diameter": ["13 mm", "19 mm"]},
    "Mirrors": {"height": ["120 cm", "160 cm"], "width": ["40 cm", "60 cm"]},
    "Desks": {"Dimensions (W x D x H)": ["120 x 60 x 75 cm", "160 x 80 x 75 cm"]},
    "Sleeping Bags": {"comfort temperature": ["-8 °C", "5 °C"]},
    "Suitcases": {"size": ["20 inch", "24 inch", "28 inch"]},
    "Sneakers": {"size": ["38", "39", "40", "41", "42", "43", "44"]},
    "Kids' Shoes": {"size": ["28", "29", "30", "31"]},
    "Hoodies": {"size": ["S", "M", "L", "XL"]},
    "Jeans": {"size": ["W32 L32", "W32 L34", "W34 L34"]},
    "Bags": {"material": ["leather"]},
    "Wallets": {"material": ["leather", "canvas"]},
    "双肩包": {"容量": ["20升", "35升"], "重量": ["900克", "1.5千克"]},
    "保温杯": {"容量": ["350毫升", "500毫升"]},
    "显示器": {"屏幕尺寸": ["24英寸", "27英寸", "32英寸"]},
    "移动硬盘": {"存储容量": ["512 GB", "2 TB"]},
    "手环": {"续航时间": ["7天", "14天"], "重量": ["25克"]},
    "充电宝": {"电池容量": ["5000毫安时", "20000毫安时"]},
    "办公椅": {"最大承重": ["100千克", "130千克"]},
    "拼图": {"件数": ["500件", "1000件"]},
    "运动鞋": {"size": ["39", "40", "41", "42", "43"]},
    "卫衣": {"size": ["S", "M", "L", "XL"]},
    "纸尿裤": {"size": ["M码", "L码"]},
    "钱包": {"material": ["皮革", "帆布"]},
}
_ANYWHERE = {
    "color": ["black", "white", "red", "blue", "gold", "silver", "olive", "黑色", "白色", "红色"],
    "material": ["leather", "canvas", "plastic", "皮革", "帆布", "塑料"],
    "pattern": ["striped", "floral"],
    "features": ["wheels", "waterproof", "built-in microphone", "BPA-free"],
}


_UNCOLORED = ("Sunscreens", "Dog Foods", "Board Games", "Puzzles")


def _with_anywhere(kind: str, described: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for name, values in _ANYWHERE.items() if name != "color" or kind not in _UNCOLORED} | described


def _attributes() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {name: dict.fromkeys(values, 9) for name, values in _ANYWHERE.items()}
    for kind in _DESCRIBED.values():
        for name, values in kind.items():
            found.setdefault(name, {}).update(dict.fromkeys(values, 9))
    return found


WORDS = Words(
    {"Acme": 20, "Halden": 20, "禾木": 20},
    dict.fromkeys(_DESCRIBED, 10),
    _attributes(),
    {kind: _with_anywhere(kind, described) for kind, described in _DESCRIBED.items()},
)
MEASURED = Understander(WORDS, "USD", 400)
