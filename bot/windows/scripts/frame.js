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

  let token = await fromPage();
  const asked = {method: 'POST', headers: {...headers, 'Content-Type': 'application/json'}, body: JSON.stringify({token})};
  const answer = await fetch('/embed/session', asked);
  const told = await answer.json();
  const refused = answer.ok ? told.refused : `${told.detail} ${told.hint}`;
  if (refused) {
    console.warn(`Aisle: the page's token was refused, so the visitor stays anonymous. ${refused}`);
    token = '';
  }
  const session = await (await fetch('/embed/session', {headers})).json();
  const kept = session.known && session.anonymous === !token;
  const bearer = kept ? '' : token || session.visitor || '';
  const address = new URLSearchParams({embed: '1', language, embedder: page});
  location.replace(`/?${address}${bearer ? `#bearer=${encodeURIComponent(bearer)}` : ''}`);
})();
