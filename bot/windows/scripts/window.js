// What the window's page does by itself: menus, the language's cookie, the download, focus, and its part on a shop's page.
(() => {
  'use strict';
  const address = new URLSearchParams(location.search);
  const embedded = address.get('embed') === '1';
  const page = address.get('embedder') || '';

  if (embedded) {
    document.documentElement.classList.add('embed');
    const bearer = new URLSearchParams(location.hash.slice(1)).get('bearer');
    if (bearer) history.replaceState(null, '', location.pathname + location.search);
    const plain = window.fetch;
    // Every request says that it comes from the frame, so that the frame's cookie counts and no other; where the browser keeps no
    // cookie in a frame, it carries the token itself. One that has run out is asked for anew, by the handshake.
    window.fetch = async (what, how = {}) => {
      const url = new URL(what instanceof Request ? what.url : what, location.href);
      if (url.origin !== location.origin) return plain(what, how);
      const headers = new Headers(how.headers || (what instanceof Request ? what.headers : undefined));
      headers.set('X-Aisle-Embed', '1');
      if (bearer) headers.set('Authorization', `Bearer ${bearer}`);
      const answer = await plain(what, {...how, headers});
      if (bearer && answer.status === 401) location.replace(`/embed?language=${address.get('language') || ''}`);
      return answer;
    };
    window.addEventListener('message', (event) => {
      if (event.source !== window.parent || event.origin !== page || !event.data) return;
      if (event.data.aisle === 'focus') document.querySelector('#message textarea')?.focus();
      if (event.data.aisle === 'language') {
        const language = String(event.data.language).slice(0, 2).toLowerCase();
        document.querySelector(`[data-act="language"][data-language="${CSS.escape(language)}"]`)?.click();
      }
    });
  }

  if (embedded && page) {
    // The window is there when its box is.
    const watch = new MutationObserver(() => {
      if (!document.querySelector('#message textarea')) return;
      watch.disconnect();
      window.parent.postMessage({aisle: 'loaded'}, page);
    });
    watch.observe(document.documentElement, {childList: true, subtree: true});
  }

  // While a person may answer, what they say comes by itself: the server says that the conversation changed, and the transcript is
  // drawn anew once. Read by fetch and not by EventSource, which could not say that it asks from the frame.
  const REFRESH_MS = 2000; // one that has brought nothing by then is asked for again
  const followed = {conversation: '', shown: 0, newest: 0, timer: 0, leaves: null};

  const refresh = () => {
    const {newest, shown, timer} = followed;
    if (newest <= shown || timer || document.querySelector('#live .talk')) return;
    followed.timer = setTimeout(() => {
      followed.timer = 0;
      refresh();
    }, REFRESH_MS);
    document.querySelector('#transcript [data-act="refresh"]')?.click();
  };

  const read = async (conversation, signal) => {
    const answer = await fetch(`/api/conversations/${encodeURIComponent(conversation)}/stream`, {signal});
    if (!answer.ok) return answer.status >= 500;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ''; ; ) {
      const {value, done} = await reader.read();
      if (done) return true;
      const events = (rest + value).split('\n\n');
      rest = events.pop();
      for (const event of events) {
        const data = event.match(/^data: (.*)$/m);
        if (data) followed.newest = JSON.parse(data[1]).updated_at;
      }
      refresh();
    }
  };

  const follow = async (conversation) => {
    followed.leaves?.abort();
    clearTimeout(followed.timer);
    Object.assign(followed, {conversation, newest: 0, timer: 0, leaves: new AbortController()});
    const {signal} = followed.leaves;
    for (let wait = 1000, again = Boolean(conversation); again && !signal.aborted; wait = Math.min(30_000, wait * 2)) {
      const begun = Date.now();
      again = await read(conversation, signal).catch(() => true);
      if (Date.now() - begun > 60_000) wait = 1000;
      if (again && !signal.aborted) await new Promise((done) => setTimeout(done, wait));
    }
  };

  // A browser opens few connections to one site: windows that nobody looks at give theirs back.
  const watch = () => {
    const talk = document.querySelector('#transcript .talk');
    const conversation = document.hidden ? '' : talk?.dataset.conversation || '';
    const shown = Number(talk?.dataset.updated || 0);
    if (shown !== followed.shown) {
      clearTimeout(followed.timer);
      Object.assign(followed, {shown, timer: 0});
    }
    if (conversation !== followed.conversation) follow(conversation);
    else refresh();
  };
  document.addEventListener('visibilitychange', watch);
  document.addEventListener('DOMContentLoaded', () => new MutationObserver(watch).observe(document.body, {childList: true, subtree: true}));

  const menus = () => document.querySelectorAll('#tools details[open]');
  const close = () => embedded && window.parent.postMessage({aisle: 'close'}, page || '*');

  const download = async (button) => {
    const language = document.documentElement.lang || 'en';
    const asked = `/api/conversations/${encodeURIComponent(button.dataset.conversation)}/export?format=${button.dataset.format}&language=${language}`;
    const answer = await fetch(asked);
    if (!answer.ok) return;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await answer.blob());
    link.download = answer.headers.get('content-disposition').match(/filename="([^"]+)"/)[1];
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('[data-act]');
    if (button?.dataset.act === 'refresh') return;
    menus().forEach((menu) => (!menu.contains(event.target) || button) && (menu.open = false));
    if (!button) return;
    const {act, language} = button.dataset;
    if (act === 'export') download(button);
    if (act === 'close') close();
    if (act === 'language') document.cookie = `aisle_language=${language}; Path=/; Max-Age=31536000; SameSite=Lax`;
    if (act === 'new' || act === 'open') document.querySelector('#message textarea')?.focus();
  });

  document.addEventListener('focusin', (event) => {
    if (event.target.matches?.('#shopper input')) event.target.dataset.before = event.target.value;
  });

  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    const open = [...menus()];
    if (open.length) {
      open.forEach((menu) => (menu.open = false));
      open[0].querySelector('summary').focus();
    } else {
      const stop = document.querySelector('#live [data-act="stop"]');
      if (stop) stop.click();
      else close();
    }
  });
})();
