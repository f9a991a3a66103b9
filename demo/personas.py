"""The six shoppers that a visitor of the demo may be: who they are, and the tastes that their behavior is made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from demo.vocabulary.records import Language, Pair


@dataclass(frozen=True)
class Persona:
    """A named demo shopper. `types` weighs product types, `price` is 0 (cheapest of a type) to 1 (dearest)."""

    id: str
    name: Pair
    description: Pair
    language: Language
    types: dict[str, float] = field(repr=False)
    colors: tuple[str, ...] = ()
    price: float = 0.5
    price_sensitivity: float = 2.0


PERSONAS: tuple[Persona, ...] = (
    Persona(
        "demo-maya",
        Pair("Maya", "玛雅"),
        Pair("Trail runner on a budget", "预算有限的越野跑爱好者"),
        "en",
        {"trail_shoes": 5, "running_vest": 2, "energy_gels": 3, "headlamp": 2, "socks": 1, "running_shoes": 2},
        ("orange", "blue"),
        price=0.15,
        price_sensitivity=5.0,
    ),
    Persona(
        "demo-theo",
        Pair("Theo", "西奥"),
        Pair("Home barista with a taste for the best", "追求品质的家庭咖啡师"),
        "en",
        {"espresso_machine": 4, "coffee_grinder": 3, "coffee_beans": 5, "electric_kettle": 2, "dinnerware_set": 1},
        ("silver", "black"),
        price=0.9,
        price_sensitivity=3.0,
    ),
    Persona(
        "demo-sofia",
        Pair("Sofia", "索菲亚"),
        Pair("New parent, short on time", "时间紧张的新手妈妈"),
        "en",
        {"diapers": 5, "baby_monitor": 2, "stroller": 3, "baby_bottle": 2, "baby_bodysuit": 3, "play_mat": 1},
        ("mint", "beige", "white"),
        price=0.55,
    ),
    Persona(
        "demo-leo",
        Pair("Leo", "里奥"),
        Pair("Student and gamer who likes black and RGB", "喜欢黑色和灯效的游戏玩家学生"),
        "en",
        {"gaming_mouse": 3, "mechanical_keyboard": 4, "gaming_headset": 3, "game_controller": 2, "monitor": 2},
        ("black", "purple", "red"),
        price=0.35,
        price_sensitivity=3.0,
    ),
    Persona(
        "demo-linyue",
        Pair("Lin Yue", "林悦"),
        Pair("Skincare fan who drinks tea", "爱护肤、爱喝茶的上班族"),
        "zh",
        {"moisturizer": 4, "serum": 3, "sunscreen": 3, "face_mask": 3, "loose_tea": 3, "humidifier": 1},
        ("white", "pink", "green"),
        price=0.7,
    ),
    Persona(
        "demo-chenhao",
        Pair("Chen Hao", "陈昊"),
        Pair("Camper with two cats, keeps an eye on prices", "养两只猫的露营爱好者，看重性价比"),
        "zh",
        {"cat_litter": 4, "cat_food": 4, "tent": 3, "sleeping_bag": 2, "camping_stove": 2, "cat_tree": 1},
        ("olive", "green", "gray"),
        price=0.25,
        price_sensitivity=4.0,
    ),
)
