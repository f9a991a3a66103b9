"""What the windows' Content-Security-Policy lets run: their own scripts, and nothing that comes into a page later."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Console

WINDOWS = {"/": "", "/agent/": "/demo/agent", "/ops/": "/demo/supervisor", "/review/": "/demo/supervisor", "/login": ""}
INJECTED = """async () => {
  window.ran = [];
  document.body.insertAdjacentHTML('beforeend', `<img src="data:,x" onerror="window.ran.push('handler')">`);
  const script = document.createElement('script');
  script.textContent = "window.ran.push('script')";
  document.body.append(script);
  const other = document.createElement('script');
  other.src = 'data:text/javascript,window.ran.push("elsewhere")';
  document.body.append(other);
  try { await fetch('http://127.0.0.1:9/'); window.ran.push('fetch'); } catch { /* as it should be */ }
  await new Promise((done) => setTimeout(done, 500));
  return window.ran;
}"""


@pytest.mark.parametrize("path", WINDOWS)
def test_a_window_runs_its_own_scripts_alone(browser: Browser, served: str, path: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    if WINDOWS[path]:
        page.goto(served + WINDOWS[path])
    console = Console(page)
    page.goto(served + path)
    page.wait_for_load_state("load")
    page.locator("form, #transcript, #brand, #desk, h1").first.wait_for(timeout=60_000)
    assert console.errors == []
    assert page.evaluate(INJECTED) == []
    told = [text for text in console.errors if "Content Security Policy" in text]
    assert len(told) >= 3, console.errors
    context.close()
