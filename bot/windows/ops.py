"""The window of who runs the shop: figures over everybody, and the export of whom to write to.

Who asks comes with every request's cookie and is checked where the figures are read; the middleware keeps all others out before.
An export is a plain form and a plain download, for what Gradio hands out lies in a folder that all its windows serve.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from bot.desk_figures import PERIODS, Period, SupportFigures
from bot.figures import FEWEST, Figures
from bot.markup import Markup
from bot.windows.customer import LARGEST_UPLOAD, STYLE, principal_of
from bot.windows.figures import Page
from bot.windows.support import SupportPage
from bot.windows.texts import language_of, texts
from storage.desk_figures import SUPPORT_FIGURES
from storage.errors import AisleError, Fault
from storage.principal import Principal, Role
from storage.settings import ShopSettings

OPS_STYLE = Path(__file__).parent / "ops.css"
PATH = "/ops"
_SECTIONS = ("shoppers", "interests", "slates", "experiments", "audiences", "support")
# One listener on the section's root serves its buttons, also those of later renderings.
_PERIOD_BUTTONS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-days]');
  if (button) trigger('click', {...button.dataset});
});
"""
_LOGGER = logging.getLogger(__name__)


class OpsWindow:
    """Builds the window and holds its handlers."""

    def __init__(self, figures: Figures, desk: SupportFigures, settings: ShopSettings) -> None:
        self.figures = figures
        self.desk = desk
        self.settings = settings

    def mount(self, app: Any) -> None:
        """Mounts the window below `PATH`, before the customer's, which takes all that is left."""
        gr.mount_gradio_app(
            app,
            self.blocks(),
            path=PATH,
            footer_links=[],
            show_error=False,
            max_file_size=LARGEST_UPLOAD,
            css_paths=[STYLE, OPS_STYLE],
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )

    def blocks(self) -> Any:
        """The page: each section is counted when its tab is opened."""
        words = texts("en")
        with gr.Blocks(
            title=f"{self.settings.name} · {words['ops']}", analytics_enabled=False, fill_width=True
        ) as page:
            header = gr.HTML(elem_id="brand")
            with gr.Tabs(elem_id="sections"):
                tabs, panels = [], []
                for name in _SECTIONS:
                    with gr.Tab(words[f"ops_{name}"], id=name) as tab:
                        panels.append(
                            gr.HTML(elem_id=f"ops-{name}", apply_default_css=False, js_on_load=_PERIOD_BUTTONS)
                        )
                    tabs.append(tab)
            page.load(self.open, None, [header, *tabs, panels[0]], show_progress="hidden")
            for name, tab, panel in zip(_SECTIONS, tabs, panels, strict=True):
                tab.select(self._opener(name), None, [panel], show_progress="minimal", concurrency_limit=4)
            panels[-1].click(self.period, None, [panels[-1]], show_progress="minimal", concurrency_limit=4)
        page.queue(max_size=64, default_concurrency_limit=4)
        return page

    def open(self, request: gr.Request) -> list[Any]:
        """The first view, in the browser's language."""
        language = language_of(request.headers.get("accept-language", ""))
        words = texts(language)
        tabs = [gr.Tab(words[f"ops_{name}"]) for name in _SECTIONS]
        return [Page(language).header(self.settings.name), *tabs, self.section(_SECTIONS[0], request)]

    def period(self, event: gr.EventData, request: gr.Request) -> str:
        """The desk's figures over the days that a button names."""
        asked = str(event._data.get("days", "")) if isinstance(event._data, dict) else ""
        return self.section("support", request, next((days for days in PERIODS if str(days) == asked), PERIODS[0]))

    def section(self, name: str, request: gr.Request, days: Period = 30) -> str:
        """One section as it stands now; where it cannot be counted, why. `days` are those of the desk's figures."""
        page = SupportPage(language_of(request.headers.get("accept-language", "")), days)
        try:
            return self._section(name, principal_of(request), page, days)
        except AisleError as error:
            return page.not_for(str(error))
        except Exception:
            _LOGGER.exception("The figures of %s could not be counted.", name)
            return page.not_for(str(Fault()))

    def _opener(self, name: str) -> Callable[[gr.Request], str]:
        """The handler of one tab; Gradio finds the request by the annotation."""

        def opened(request: gr.Request) -> str:
            return self.section(name, request)

        # Gradio looks annotations up in the function's own module, where they are names since they are not evaluated.
        opened.__annotations__["request"] = gr.Request
        return opened

    def _section(self, name: str, principal: Principal, page: SupportPage, days: Period) -> Markup:
        figures = self.figures
        if name == "support":
            if principal.role not in SUPPORT_FIGURES:
                return page.not_for("support_role")
            return page.support(self.desk.support(principal, days), self.desk.unmet(principal, days))
        if name == "shoppers":
            return page.shoppers(figures.shoppers(principal))
        if name == "interests":
            return page.interests(figures.interests(principal))
        if name == "slates":
            return page.slates(figures.slates(principal))
        if name == "experiments":
            return page.experiments(figures.experiments(principal))
        if principal.role is not Role.ADMIN:
            return page.not_for("audiences_role")
        return page.audiences(figures.audiences(principal), self.settings.audience, FEWEST)
