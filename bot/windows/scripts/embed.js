// Aisle on a shop's page: <script src="https://aisle.example/embed.js" data-token="…"></script>
// A bubble and a frame in a shadow root. No dependencies, no inline styles, no eval: see docs/shop_owner.md for the page's CSP.
(() => {
  'use strict';
  const script = document.currentScript;
  if (!script || window.Aisle) return;
  const home = new URL(script.src).origin;
  const WORDS = {
    en: ['Ask the shopping assistant', 'Close the shopping assistant', 'Shopping assistant'],
    zh: ['咨询购物助手', '关闭购物助手', '购物助手'],
  };
  const STYLE = `
    :host { all: initial; --accent: var(--aisle-accent, #0f6b5c); --ink: var(--aisle-accent-ink, #fff); }
    .bubble, .panel { position: fixed; z-index: var(--aisle-z-index, 2147483000); inset-inline-end: 20px; bottom: 20px; }
    :host([data-side="left"]) .bubble, :host([data-side="left"]) .panel { inset-inline: 20px auto; }
    .bubble { width: 56px; height: 56px; padding: 0; border: 0; border-radius: 50%; cursor: pointer; display: grid; place-items: center;
      background: var(--accent); color: var(--ink); box-shadow: 0 4px 16px rgb(0 0 0 / .28); }
    .bubble:focus-visible { outline: 3px solid #e9b44c; outline-offset: 3px; }
    .bubble svg { width: 28px; height: 28px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
    .bubble[aria-expanded="true"] .chat, .bubble[aria-expanded="false"] .cross { display: none; }
    .panel { bottom: 88px; width: min(var(--aisle-width, 400px), calc(100vw - 40px)); height: min(var(--aisle-height, 660px), calc(100dvh - 108px));
      border: 0; border-radius: var(--aisle-radius, 16px); box-shadow: 0 12px 40px rgb(0 0 0 / .3); background: Canvas; color-scheme: light dark; }
    .panel[hidden] { display: none; }
    @media (max-width: 480px) {
      .panel, :host([data-side="left"]) .panel { inset: 0; width: 100vw; height: 100dvh; border-radius: 0; }
      .bubble[aria-expanded="true"] { display: none; }
    }
    @media (prefers-reduced-motion: no-preference) { .bubble { transition: transform .15s; } .bubble:hover { transform: scale(1.06); } }
    @media print { .bubble, .panel { display: none; } }`;
  const ICON =
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path class="chat" d="M4 5h16v11H9.5L5 20v-4H4z"/><path class="cross" d="M6 6l12 12M18 6L6 18"/></svg>';

  let token = script.dataset.token || '';
  let frame = null;
  let loaded = false; // whether the window is there, and not the handshake or nothing yet
  let wanted = false; // whether the keyboard goes into it once it is
  const languageOf = () => script.dataset.language || document.documentElement.lang || '';
  const words = () => WORDS[languageOf().slice(0, 2).toLowerCase()] || WORDS.en;

  const host = document.createElement('aisle-assistant');
  if (script.dataset.side === 'left') host.dataset.side = 'left';
  const root = host.attachShadow({mode: 'open'});
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const bubble = document.createElement('button');
  bubble.type = 'button';
  bubble.className = 'bubble';
  bubble.innerHTML = ICON;
  bubble.setAttribute('aria-expanded', 'false');
  bubble.setAttribute('aria-controls', 'panel');
  root.append(bubble);

  const name = () => {
    const [open, close, title] = words();
    const label = isOpen() ? close : script.dataset.label || open;
    bubble.setAttribute('aria-label', label);
    bubble.title = label;
    if (frame) frame.title = title;
  };
  const isOpen = () => Boolean(frame) && !frame.hidden;
  const remember = (open) => {
    try {
      sessionStorage.setItem('aisle-open', open ? '1' : '');
    } catch {
      // A page that may keep nothing opens closed.
    }
  };
  const address = () => `${home}/embed?language=${encodeURIComponent(languageOf())}`;
  const tell = (message) => frame.contentWindow.postMessage(message, home);
  const load = () => {
    loaded = false;
    frame.src = address();
  };

  const open = (focus = true) => {
    if (!frame) {
      frame = document.createElement('iframe');
      frame.className = 'panel';
      frame.id = 'panel';
      root.prepend(frame);
      load();
    }
    frame.hidden = false;
    bubble.setAttribute('aria-expanded', 'true');
    remember(true);
    name();
    if (focus) frame.focus();
    if (focus && loaded) tell({aisle: 'focus'});
    wanted = focus && !loaded;
  };
  const close = () => {
    if (!isOpen()) return;
    frame.hidden = true;
    bubble.setAttribute('aria-expanded', 'false');
    remember(false);
    name();
    bubble.focus();
  };

  window.addEventListener('message', (event) => {
    if (!frame || event.origin !== home || event.source !== frame.contentWindow || !event.data) return;
    if (event.data.aisle === 'ready') tell({aisle: 'token', token});
    if (event.data.aisle === 'loaded') {
      loaded = true;
      if (wanted) tell({aisle: 'focus'});
      wanted = false;
    }
    if (event.data.aisle === 'close') close();
  });
  bubble.addEventListener('click', () => (isOpen() ? close() : open()));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && isOpen() && (document.activeElement === host || document.activeElement === document.body)) close();
  });
  if (!script.dataset.language) {
    new MutationObserver(() => {
      name();
      if (loaded) tell({aisle: 'language', language: languageOf()});
    }).observe(document.documentElement, {attributeFilter: ['lang']});
  }

  window.Aisle = {
    open,
    close,
    // For pages that learn later who is there; "" signs out.
    signIn(next) {
      token = next || '';
      if (frame) load();
    },
  };
  const start = () => {
    document.body.append(host);
    name();
    let before = '';
    try {
      before = sessionStorage.getItem('aisle-open');
    } catch {
      // As above.
    }
    if (before) open(false);
  };
  if (document.body) start();
  else document.addEventListener('DOMContentLoaded', start);
})();
