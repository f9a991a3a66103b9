// The desk's HTTP: requests that say what went wrong, what is sent until it is there, and the stream that comes back by itself.

const BASE = '/api/agent';
const LONGEST_WAIT_MS = 15_000;

/** What a route refused. `status` is 0 where nobody answered. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }

  /** Whether the same may succeed later: nobody answered, or the server could not. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** How far the server's clock is ahead of this one, in milliseconds; instants of the server are counted with it. */
export const clock = {
  ahead: 0,
  now() {
    return Date.now() + this.ahead;
  },
};

export async function call(method, path, body, more = {}) {
  let answer;
  try {
    const sent = body === undefined ? {} : {body: JSON.stringify(body), headers: {'Content-Type': 'application/json'}};
    answer = await fetch(BASE + path, {method, ...sent, ...more});
  } catch {
    throw new Refused(0, '');
  }
  const date = Date.parse(answer.headers.get('date') || '');
  // The header counts whole seconds, so that less than two says nothing.
  if (date) clock.ahead = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, [problem.detail, problem.hint].filter(Boolean).join(' '));
  }
  return answer.status === 204 ? null : answer.json();
}

/** The n-th wait before another try, in milliseconds: doubled each time, and not the same for all windows. */
export const backoff = (tries) => Math.min(LONGEST_WAIT_MS, 500 * 2 ** tries) * (0.75 + Math.random() / 2);

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Sends until it is sent or refused; `waiting` is told of each failure that may pass. */
export async function insist(send, waiting) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof Refused) || !error.passing) throw error;
      waiting();
      await sleep(backoff(tries));
    }
  }
}

/**
 * The stream of changes. It is opened anew with another conversation before the old one is closed, so that nothing is missed between,
 * and after a loss, when `opened` is called: what happened meanwhile has to be read then.
 */
export class Stream {
  constructor(handlers) {
    this.handlers = handlers; // {queue, conversation, opened(again), lost(seconds), signedOut}
    this.conversation = null;
    this.source = null;
    this.tries = 0;
    this.missed = false;
    this.timer = 0;
  }

  follow(conversation) {
    this.conversation = conversation;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    const before = this.source;
    const asked = this.conversation ? `?conversation_id=${encodeURIComponent(this.conversation)}` : '';
    const source = new EventSource(`${BASE}/stream${asked}`);
    this.source = source;
    source.addEventListener('open', () => {
      before?.close();
      if (this.source !== source) return;
      const again = this.tries > 0 || !before || this.missed;
      this.tries = 0;
      this.missed = false;
      this.handlers.opened(again);
    });
    source.addEventListener('error', () => {
      source.close();
      before?.close();
      if (this.source === source) this.again();
      else this.missed = true; // it ended before the one that follows it had begun
    });
    // It ends now and then, so that who may listen no more hears no more; that is no loss that anybody has to be told of.
    source.addEventListener('renew', () => {
      if (this.source !== source) return;
      this.missed = true;
      this.open();
    });
    for (const name of ['queue', 'conversation']) {
      source.addEventListener(name, (event) => this.handlers[name](JSON.parse(event.data)));
    }
  }

  async again() {
    this.source = null;
    const wait = backoff(this.tries);
    this.tries += 1;
    this.handlers.lost(Math.ceil(wait / 1000));
    this.timer = setTimeout(() => this.open(), wait);
    // A stream does not say why it ended; a request does.
    if (this.tries % 3 === 1) {
      const status = await fetch(`${BASE}/macros`).then(({status: told}) => told, () => 0);
      if (status === 401 || status === 403) this.handlers.signedOut();
    }
  }
}
