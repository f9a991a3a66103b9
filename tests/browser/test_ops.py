"""Who runs the shop opens `/ops`: every plot is there, nothing is fetched from elsewhere, and an audience is exported."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.conftest import launch


@pytest.fixture(scope="module")
def key(demo_shop: Path) -> str:
    """An admin's key."""
    command = launch("keys", "create", "--name", "ops", "--role", "admin", "--shop", str(demo_shop), "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    made: str = json.loads(done.stdout)["key"]
    return made


@pytest.fixture
def page(browser: Browser, served: str, key: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The window after signing in by the form to which a stranger is led."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale=getattr(request, "param", "en-US"))
    page = context.new_page()
    errors: list[str] = []
    foreign: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((served, "data:", "blob:")):
            foreign.append(request.url)

    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", note)
    page.goto(f"{served}/ops")
    page.fill("input[name=key]", key)
    page.click("form button")
    expect(page.locator("#ops-shoppers .lead")).to_be_visible()
    yield page
    assert errors == []
    assert foreign == []
    context.close()


def opened(page: Page, place: int, name: str) -> None:
    page.locator('#sections button[role="tab"]').nth(place).click()
    expect(page.locator(f"#ops-{name} .lead")).to_be_visible()


def test_the_figures_are_seen_and_an_audience_is_exported(page: Page, tmp_path: Path) -> None:
    expect(page.locator("#ops-shoppers svg[role=img]").first).to_be_visible()
    page.locator("#ops-shoppers summary").first.click()
    expect(page.locator("#ops-shoppers table").first).to_be_visible()
    opened(page, 1, "interests")
    expect(page.locator("#ops-interests figure")).to_have_count(3)
    opened(page, 2, "slates")
    opened(page, 3, "experiments")
    opened(page, 4, "audiences")
    forms = page.locator("#ops-audiences details")
    expect(page.locator("#ops-audiences tbody tr")).to_have_count(3)
    assert forms.count() >= 1
    form = forms.first
    form.locator("summary").click()
    form.locator("[name=campaign]").fill("spring")
    with page.expect_download() as download:
        form.locator("[name=confirm]").check()
        form.locator("button").click()
    assert download.value.suggested_filename == "spring.csv"
    target = tmp_path / "spring.csv"
    download.value.save_as(target)
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["campaign"] for row in rows} == {"spring"}
    assert all(row["reason"] for row in rows)


@pytest.mark.parametrize("page", ["zh-CN"], indirect=True)
def test_in_chinese(page: Page) -> None:
    expect(page.locator("#brand h1")).to_contain_text("店铺数据")
    expect(page.locator('#sections button[role="tab"]').nth(2)).to_have_text("推荐展示")
    opened(page, 1, "interests")
    assert "兴趣" in page.locator('#sections button[role="tab"]').nth(1).inner_text()


def test_it_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_shopper_stays_outside(browser: Browser, served: str) -> None:
    context = browser.new_context(locale="en-US")
    context.request.post(f"{served}/demo/shopper", data={"shopper": "demo-maya"})
    assert context.request.get(f"{served}/ops/").status == 403
    context.close()
