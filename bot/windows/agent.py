"""The window of the support agents: queue, conversation, and what stands beside it.

Gradio serves the page and says once who looks at it, in which language. From there on the browser does the work: its scripts read
JSON from `/api/agent`, follow `/api/agent/stream`, and patch the page. A queue that changes twice a second for fifty agents would
be a hundred Gradio events a second, at about 22 ms of a core each; a row that is sent as JSON and drawn by the browser costs the
server next to nothing. What customers and catalogs say reaches the page as text nodes alone, never as markup.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from bot.reply.voice import languages
from bot.windows.customer import LARGEST_UPLOAD, STYLE, principal_of
from bot.windows.page import LANGUAGE_COOKIE
from bot.windows.texts import name_of, texts, window_language
from index.product import Availability
from storage.principal import Role
from storage.settings import ShopSettings

PATH = "/agent"
AGENT_STYLE = Path(__file__).parent / "agent.css"
SCRIPTS = {each.name: each for each in (Path(__file__).parent / "scripts" / "agent").glob("*.js")}
_WORDS = "agent_"
# The value comes with the first event, after the component is there.
_BEGIN = f"""
const begin = async () => {{
  const shell = element.querySelector('#desk');
  if (!shell || shell.dataset.begun) return;
  shell.dataset.begun = 'yes';
  (await import('{PATH}/scripts/desk.js')).start(shell);
}};
watch('value', () => requestAnimationFrame(begin));
begin();
"""


class AgentWindow:
    """Serves the page."""

    def __init__(self, settings: ShopSettings) -> None:
        self.settings = settings

    def mount(self, app: Any) -> None:
        """Mounts the window below `PATH`, before the customer's, which takes all that is left."""
        gr.mount_gradio_app(
            app,
            self._blocks(),
            path=PATH,
            footer_links=[],
            show_error=False,
            max_file_size=LARGEST_UPLOAD,
            css_paths=[STYLE, AGENT_STYLE],
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )

    def _blocks(self) -> Any:
        """The page: one component, filled once."""
        title = f"{self.settings.name} · {texts('en')['agent_title']}"
        with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as page:
            shell = gr.HTML(elem_id="shell", js_on_load=_BEGIN, apply_default_css=False)
            page.load(self.open, None, [shell], show_progress="hidden")
        page.queue(max_size=64, default_concurrency_limit=4)
        return page

    def open(self, request: gr.Request) -> str:
        """What the scripts begin with: who looks, in which language, and the words of it."""
        principal = principal_of(request)
        chosen = request.query_params.get("language") or request.cookies.get(LANGUAGE_COOKIE, "")
        language = window_language(chosen, request.headers.get("accept-language", ""))
        words = texts(language)
        known = {
            "me": principal.id,
            "supervisor": principal.role is Role.SUPERVISOR,
            "shop": self.settings.name,
            "language": language,
            "languages": {code: name_of(code) for code in languages()},
            "translates": self.settings.llm is not None and "translate" in self.settings.llm.may,
            "codes": list(self.settings.desk.codes),
            "words": {name.removeprefix(_WORDS): text for name, text in words.items() if name.startswith(_WORDS)}
            | {f"stock_{each}": words[each] for each in Availability}
            | {"figures": words["ops"]},
        }
        data = escape(json.dumps(known, ensure_ascii=False), quote=True)
        loading = f'<p role="status">{escape(words["agent_loading"])}</p>'
        return f'<div id="desk" lang="{escape(language)}" data-known="{data}">{loading}</div>'
