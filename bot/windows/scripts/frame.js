// The handshake in the frame: asks the page for its token, turns it into a cookie, and goes on to the window.
(async () => {
  'use strict';
  const WAIT_MS = 2000;
  const allowed = [location.origin, ...JSON.parse(document.body.dataset.origins)];
  const language = new URLSearchParams(location.search).get('language') || '';
  const headers = {'X-Aisle-Embed': '1'};
  let page = '';

  const fromPage = () =>
    new Promise((resolve) => {
      if (window.parent === window) return resolve('');
      const taken = (event) => {
        if (event.source !== window.parent || !allowed.includes(event.origin) || event.data?.aisle !== 'token') return;
        page = event.origin;
        done(event.data.token || '');
      };
      const done = (token) => {
        window.removeEventListener('message', taken);
        clearTimeout(timer);
        resolve(String(token));
      };
      const timer = setTimeout(() => done(''), WAIT_MS);
      window.addEventListener('message', taken);
      window.parent.postMessage({aisle: 'ready'}, '*'); // nothing in it is secret; the answer is what is checked
    });

  const begin = (token) =>
    fetch('/embed/session', {method: 'POST', headers: token ? {...headers, Authorization: `Bearer ${token}`} : headers});

  let token = await fromPage();
  const answer = await begin(token);
  if (token && !answer.ok) {
    const {detail = '', hint = ''} = await answer.json().catch(() => ({}));
    const reason = `the page's token was refused, so the visitor stays anonymous. ${detail} ${hint}`;
    console.warn(`Aisle: ${reason}`);
    if (page) window.parent.postMessage({aisle: 'refused', reason}, page);
    token = '';
    await begin('');
  }
  const session = await (await fetch('/embed/session', {headers})).json();
  const kept = session.known && session.anonymous === !token;
  const bearer = kept ? '' : token || session.visitor || '';
  const address = new URLSearchParams({embed: '1', language, page});
  location.replace(`/?${address}${bearer ? `#bearer=${encodeURIComponent(bearer)}` : ''}`);
})();
