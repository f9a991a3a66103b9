"""A customer and agents in their windows: handed over, claimed, answered, corrected, handed back; and what must not get lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from storage.database import Database
from storage.keys import create_key
from storage.principal import Principal, Role
from tests.browser.conftest import ShopPages
from tests.browser.test_window import CONTRAST

HOSTILE = "<img src=x onerror=\"document.title='hit'\"> a person please, my heel hurts"
Sign = Callable[..., "Desk"]


class Watched:
    """A page whose errors are kept. A refused request is an error on the console too, and is expected in some tests."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))


class Desk(Watched):
    """The agents' window."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.answer = page.locator("#answer")
        self.mine = page.locator('#desk .tabs [data-state="mine"]')

    def sign_in(self, address: str, key: str) -> None:
        self.page.goto(f"{address}/agent")
        self.page.fill("input[name=key]", key)
        self.page.click("form button")
        expect(self.page.locator("#desk .status")).to_be_visible()

    def row(self, said: str) -> Locator:
        return self.page.locator("#desk .row", has_text=said)

    def open(self, said: str) -> None:
        self.row(said).click()
        expect(self.page.locator("#desk .msg.user").last).to_contain_text(said)

    def claim(self) -> None:
        self.page.keyboard.press("c")
        expect(self.page.locator('#desk [data-act="to_aisle"]')).to_be_visible()

    def send(self, text: str) -> None:
        self.answer.fill(text)
        self.answer.press("Control+Enter")


class Customer(Watched):
    """The customer's window, also in the frame on a shop's page."""

    def __init__(self, page: Page, within: Page | None = None) -> None:
        super().__init__(page)
        self.at = within or page
        self.users = self.at.locator("#transcript .turn-user p")
        self.agents = self.at.locator("#transcript .turn-agent")
        self.company = self.at.locator("#transcript .company")

    def say(self, text: str) -> None:
        self.at.locator("#message textarea").fill(text)
        self.at.locator("#message textarea").press("Enter")
        expect(self.users.last).to_have_text(text)
        expect(self.at.locator("#live .talk")).to_have_count(0)


@pytest.fixture(scope="module")
def keys(demo_shop: Path, served: str) -> dict[str, str]:
    """A key for each agent and a supervisor, made beside the running server."""
    database = Database.connect(f"sqlite:///{demo_shop / 'aisle.db'}")
    admin = Principal("operator", Role.ADMIN)
    made = {name: create_key(database, admin, Role.AGENT, name, "support").key for name in ("Mia", "Ben")}
    made["Dana"] = create_key(database, admin, Role.SUPERVISOR, "Dana").key
    database.close()
    return made


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[[str], BrowserContext]]:
    """Browsers of different people; all are closed at the end."""
    opened: list[BrowserContext] = []

    def one(locale: str) -> BrowserContext:
        opened.append(browser.new_context(viewport={"width": 1440, "height": 900}, locale=locale))
        return opened[-1]

    yield one
    for each in opened:
        each.close()


@pytest.fixture
def sign(contexts: Callable[[str], BrowserContext], served: str, keys: dict[str, str]) -> Sign:
    """Signs an agent in: `sign("Mia")`."""

    def one(name: str, locale: str = "en-US") -> Desk:
        desk = Desk(contexts(locale).new_page())
        desk.sign_in(served, keys[name])
        return desk

    return one


@pytest.fixture
def visit(contexts: Callable[[str], BrowserContext], served: str) -> Callable[..., Customer]:
    """Opens the customer's window: `visit("demo-maya")`, or as a new visitor."""

    def one(shopper: str = "", locale: str = "en-US") -> Customer:
        context = contexts(locale)
        if shopper:
            assert context.request.post(f"{served}/demo/shopper", data={"shopper": shopper}).ok
        page = context.new_page()
        page.goto(served)
        page.locator("#transcript .turn-aisle").first.wait_for()
        return Customer(page)

    return one


def test_a_customer_is_helped_by_a_person(visit: Callable[..., Customer], sign: Sign) -> None:
    customer, mia = visit(), sign("Mia")
    customer.say("show me running shoes")
    customer.say(HOSTILE)
    expect(customer.company).to_have_class(re.compile("waits"))
    row = mia.row("my heel hurts")  # it came by itself
    expect(row).to_contain_text("<img src=x")
    expect(row.locator(".wait")).to_have_text(re.compile(r"^\d+:\d\d$"))
    mia.page.keyboard.press("/")
    mia.page.keyboard.type("heel hurts")
    mia.page.keyboard.press("Escape")
    mia.page.keyboard.press("j")
    expect(row).to_be_focused()
    mia.page.keyboard.press("Enter")
    expect(mia.page.locator("#desk .msg.user").last.locator(".text")).to_have_text(HOSTILE)
    mia.claim()
    expect(customer.company).to_have_text("Mia is with you")

    turns = customer.at.locator("#transcript .turn")
    before = turns.count()
    customer.say("I need trail running shoes")
    expect(turns).to_have_count(before + 1)  # Aisle is silent
    pick = mia.page.locator('#desk .pick[data-kind="product"]').first
    title = pick.locator(".title").inner_text()
    # By its title, for picks may come in another order meanwhile.
    mia.page.locator('#desk .pick[data-kind="product"]', has_text=title).first.locator('[data-act="insert"]').click()
    expect(mia.answer).to_be_focused()
    expect(mia.page.locator("#desk .attached .title")).to_have_text(title)
    mia.send("How about these? <b>Size 42</b> is there.")
    expect(customer.agents.last.locator(".said")).to_have_text("How about these? <b>Size 42</b> is there.")
    expect(customer.agents.last.locator(".card h3")).to_have_text(title)
    expect(customer.agents.last.locator(".who")).to_have_text("Mia")

    customer.say("thank you, I take them")
    expect(mia.page.locator("#desk .msg.user").last).to_contain_text("I take them")
    mia.page.locator('#desk .labels [data-label="accept"]').click()
    expect(mia.page.locator("#desk .msg.user").last.locator(".intent.corrected")).to_have_text("yes")
    mia.page.keyboard.press("n")
    mia.send("Knows her size, pays by card.")
    expect(mia.page.locator("#desk .noted")).to_contain_text("pays by card")
    mia.page.locator('#desk [data-act="to_aisle"]').click()
    expect(customer.at.locator("#transcript .turn-happened").last).to_contain_text("Mia has left")
    customer.at.locator('#transcript [data-rating="5"]').click()
    expect(customer.at.locator("#transcript .turn-rating")).to_have_count(0)
    customer.say("what is your return policy?")
    expect(customer.at.locator("#transcript .turn-aisle").last).to_contain_text("30")
    expect(customer.at.locator("#transcript")).not_to_contain_text("pays by card")
    assert "hit" not in (mia.page.title(), customer.page.title())
    assert customer.errors == []
    assert mia.errors == []


def test_of_two_who_claim_one_wins_and_the_other_loses_nothing(visit: Callable[..., Customer], sign: Sign) -> None:
    visit().say("I want a human, mine is broken")
    mia, ben = sign("Mia"), sign("Ben")
    for desk in (mia, ben):
        desk.open("mine is broken")
        desk.answer.fill(f"{desk is mia} words")
        desk.answer.press("Escape")

    def late(route: Route) -> None:
        with ben.page.expect_response("**/claim"):  # the window shows it before the server has said so
            ben.claim()
        route.continue_()

    mia.page.route("**/claim", late)  # hers arrives after his
    mia.page.keyboard.press("c")
    expect(mia.page.locator("#desk .notice.taken")).to_have_text(re.compile("^Ben has this conversation"))
    expect(mia.page.locator("#desk .toast.bad")).to_contain_text("Ben has this conversation.")
    expect(mia.answer).to_have_value("True words")
    expect(mia.page.locator('#desk [data-act="send"]')).to_be_disabled()
    ben.page.locator('#desk [data-act="close"]').click()
    ben.page.locator('#desk dialog [value="solved"]').click()
    expect(mia.row("mine is broken")).to_have_count(0)


def test_a_draft_outlives_its_tab_and_a_lost_connection_loses_nothing(
    visit: Callable[..., Customer], sign: Sign, served: str
) -> None:
    customer, mia = visit(), sign("Mia")
    customer.say("please get me a person for my parcel")
    mia.open("my parcel")
    mia.claim()
    mia.answer.fill("I am looking into")
    again = Desk(mia.page.context.new_page())
    mia.page.close()
    again.page.goto(f"{served}/agent/")
    again.mine.click()
    again.open("my parcel")
    expect(again.answer).to_have_value("I am looking into")

    def down(route: Route) -> None:
        route.fulfill(status=503, json={"detail": "The database does not answer."})

    again.page.route("**/api/agent/**", down)
    again.send("I am looking into it.")
    expect(again.page.locator("#desk .msg.unsent .text")).to_have_text("I am looking into it.")
    again.page.unroute("**/api/agent/**", down)
    expect(again.page.locator("#desk .msg.unsent")).to_have_count(0)
    expect(customer.agents).to_have_count(1)
    expect(customer.agents.locator(".said")).to_have_text("I am looking into it.")
    expect(again.answer).to_have_value("")
    assert again.errors == []


def test_in_chinese(visit: Callable[..., Customer], sign: Sign) -> None:
    customer, mia = visit(locale="zh-CN"), sign("Mia", "zh-CN")
    customer.say("我要找人工客服，包裹没到")
    expect(customer.company).to_contain_text("人工客服")
    mia.open("包裹没到")
    mia.claim()
    expect(customer.company).to_have_text("Mia 正在为您服务")
    mia.send("您好，我来帮您查。")
    expect(customer.agents.locator(".said")).to_have_text("您好，我来帮您查。")
    assert mia.page.evaluate(CONTRAST.replace("#top *, #columns *", "#desk *")) == []
    mia.page.set_viewport_size({"width": 360, "height": 740})
    assert mia.page.evaluate("document.documentElement.scrollWidth") <= 360
    mia.page.locator('#desk [data-act="close"]').click()
    mia.page.locator('#desk dialog [value="solved"]').click()
    expect(customer.at.locator("#transcript .turn-rating")).to_contain_text("这次人工服务怎么样？")
    assert mia.errors == []


def test_an_agent_speaks_in_the_frame_on_a_shops_page(
    contexts: Callable[[str], BrowserContext], served: str, shop_pages: ShopPages, sign: Sign
) -> None:
    shop_pages.policy = f"default-src 'none'; script-src {served}; frame-src {served}"
    shop_pages.pages["/"] = (
        f'<!doctype html><html lang="en"><h1>Shop</h1><script src="{served}/embed.js"></script></html>'
    )
    page = contexts("en-US").new_page()
    page.goto(f"http://localhost:{shop_pages.port}/")
    page.locator("aisle-assistant button").click()
    frame = page.frame_locator("aisle-assistant iframe")
    customer = Customer(page, frame)  # type: ignore[arg-type]
    customer.say("a human please, I am in the frame")
    mia = sign("Mia")
    expect(mia.row("I am in the frame")).to_contain_text("shop page")
    mia.open("I am in the frame")
    mia.claim()
    mia.send("Hello there.")
    expect(customer.agents.locator(".said")).to_have_text("Hello there.")
    mia.page.locator('#desk [data-act="to_aisle"]').click()
    expect(customer.at.locator("#transcript .turn-happened").last).to_contain_text("Mia has left")


def test_a_visitor_of_the_demo_can_work_for_the_shop(contexts: Callable[[str], BrowserContext], served: str) -> None:
    page = contexts("en-US").new_page()
    page.goto(f"{served}/demo/agent")
    assert page.url == f"{served}/agent/"
    expect(page.locator("#desk")).to_contain_text(re.compile("At the desk: .*Mia"))
    page.goto(f"{served}/demo/supervisor")
    assert page.url == f"{served}/ops/"
    assert page.context.request.get(f"{served}/demo/nobody").status == 404
