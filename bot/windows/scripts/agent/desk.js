// The agents' window: what is known (`Desk`), and who draws it. Each part draws itself when told what changed.

import {Refused, Stream, backoff, call, clock, insist} from './api.js';
import {Beside} from './beside.js';
import {assign, close, help} from './dialogs.js';
import {Words, fill, h, newId} from './dom.js';
import {Keys} from './keys.js';
import {Queue} from './queue.js';
import {Talk} from './talk.js';

const TOAST_MS = 6000;

export function start(shell) {
  const desk = new Desk(shell, JSON.parse(shell.dataset.known));
  shell.removeAttribute('data-known');
  desk.begin();
}

class Desk {
  constructor(root, known) {
    Object.assign(this, known); // me, supervisor, shop, language, languages, codes
    this.root = root;
    this.words = new Words(known);
    this.rows = new Map(); // conversation_id -> Row
    this.agents = [];
    this.openId = null;
    this.case = null;
    this.waits = new Map(); // conversation_id -> messages that are on their way
    this.reading = null;
    this.stream = new Stream({
      queue: (change) => this.changed(change),
      conversation: ({conversation_id, updated_at}) => this.moved(conversation_id, updated_at),
      opened: (again) => this.reached(again),
      lost: (seconds) => this.lose(seconds),
      signedOut: () => this.signedOut(),
    });
  }

  begin() {
    document.documentElement.lang = this.language;
    this.queue = new Queue(this);
    this.talk = new Talk(this);
    this.beside = new Beside(this);
    this.status = h('p.status', {role: 'status'});
    this.people = h('p.people');
    this.toasts = h('div.toasts');
    this.spoken = h('p.unseen', {role: 'status', 'aria-live': 'polite'});
    this.banner = h('div.banner', {role: 'alert', hidden: true});
    fill(
      this.root,
      this.head(),
      this.banner,
      h('div.columns', {}, this.queue.element, this.talk.element, this.beside.element),
      this.toasts,
      this.spoken,
    );
    this.show('queue');
    this.keys = new Keys(this);
    setInterval(() => this.queue.tick(), 1000);
    addEventListener('beforeunload', (event) => this.waits.size && event.preventDefault());
    addEventListener('pagehide', () => this.talk.composer.flush({keepalive: true}));
    this.draw();
    this.stream.follow(null);
  }

  head() {
    const {words} = this;
    const tongues = Object.entries(this.languages).map(([code, name]) =>
      h('button', {type: 'button', lang: code, 'aria-pressed': code === this.language, onclick: () => this.speak(code)}, name),
    );
    return h(
      'header.bar',
      {},
      h('span.mark', {'aria-hidden': 'true'}),
      h('h1', {}, this.shop, h('small', {}, words.say('title'))),
      this.people,
      this.status,
      h('span.tongues', {role: 'group', 'aria-label': words.say('language')}, tongues),
      this.supervisor && h('a', {href: '/ops/'}, words.say('figures')),
      h('button', {type: 'button', onclick: () => this.help()}, words.say('keys'), ' ', h('kbd', {}, '?')),
      h('form', {method: 'post', action: '/logout'}, h('button.me', {title: words.say('sign_out')}, this.me, ' · ', words.say('sign_out'))),
    );
  }

  speak(code) {
    document.cookie = `aisle_language=${code}; Path=/; Max-Age=31536000; SameSite=Lax`;
    this.talk.composer.flush().finally(() => location.assign('/agent/'));
  }

  /** On narrow screens one column is seen: queue, talk or beside. */
  show(pane) {
    this.root.dataset.pane = pane;
  }

  draw() {
    this.queue.draw();
    fill(this.people, this.agents.length ? this.words.say('at_desk', {names: this.words.list(this.agents)}) : '');
    const waiting = [...this.rows.values()].filter((row) => row.state === 'waiting').length;
    document.title = `${waiting ? `(${waiting}) ` : ''}${this.shop} · ${this.words.say('title')}`;
  }

  // ---- what comes from the server

  async reached(again) {
    fill(this.status, h('span.dot', {'aria-hidden': 'true'}), this.words.say('connected'));
    this.banner.hidden = true;
    if (!again) return;
    try {
      const {conversations, agents} = await call('GET', '/conversations');
      this.rows = new Map(conversations.map((row) => [row.conversation_id, row]));
      this.agents = agents;
      this.draw();
      if (this.queue.state === 'live') this.queue.readLive();
      if (this.openId) this.read();
    } catch (error) {
      this.fail(error);
    }
  }

  lose(seconds) {
    fill(this.status);
    const again = h('button', {type: 'button', onclick: () => this.stream.open()}, this.words.say('retry'));
    fill(this.banner, this.words.say('lost', {seconds}), ' ', again);
    this.banner.hidden = false;
  }

  signedOut() {
    clearTimeout(this.stream.timer);
    fill(this.banner, this.words.say('signed_out'), ' ', h('a', {href: '/login', target: '_blank'}, this.words.say('sign_in')), ' ',
      h('button', {type: 'button', onclick: () => this.stream.open()}, this.words.say('retry')));
    this.banner.hidden = false;
  }

  changed({rows, gone, agents}) {
    for (const row of rows) this.take(row);
    for (const id of gone) this.rows.delete(id);
    if (agents) this.agents = agents;
    this.draw();
    if (gone.includes(this.openId)) this.read();
  }

  /** One row as it is now; an older one than is known is left. */
  take(row) {
    const before = this.rows.get(row.conversation_id);
    if (before && before.updated_at > row.updated_at) return;
    this.rows.set(row.conversation_id, row);
    if (row.state === 'waiting' && before?.state !== 'waiting') this.tell('new_waiting', {name: this.nameOf(row)});
    else if (before && row.holder === this.me && row.last_role === 'user' && row.last_text !== before.last_text) {
      this.tell('new_message', {name: this.nameOf(row)});
    }
    this.moved(row.conversation_id, row.updated_at);
  }

  moved(id, updatedAt) {
    if (id === this.openId && (!this.case || updatedAt > this.case.row.updated_at)) this.read();
  }

  /** Reads the open conversation; asked for while it is being read, once more afterwards. */
  async read() {
    if (this.reading) {
      this.reading.again = true;
      return;
    }
    const mine = {again: false};
    this.reading = mine;
    const id = this.openId;
    try {
      const found = await call('GET', `/conversations/${encodeURIComponent(id)}`);
      if (id === this.openId) {
        this.case = found;
        this.talk.draw();
        this.beside.draw();
      }
    } catch (error) {
      if (id === this.openId && error.status === 404) this.leave('not_there');
      else if (!error.passing) this.fail(error);
      else setTimeout(() => id === this.openId && this.read(), backoff(2));
    } finally {
      if (this.reading === mine) {
        this.reading = null;
        if (mine.again && this.openId) this.read();
      }
    }
  }

  // ---- what the agent does

  open(id) {
    this.show('talk');
    if (id === this.openId) {
      this.talk.focus();
      return;
    }
    this.talk.composer.flush();
    this.openId = id;
    this.case = null;
    this.reading = null;
    this.talk.turnTo(id);
    this.beside.turnTo();
    this.queue.draw();
    this.stream.follow(id);
    this.read();
  }

  leave(why) {
    this.rows.delete(this.openId);
    this.openId = null;
    this.case = null;
    this.talk.turnTo(null);
    this.beside.turnTo();
    this.stream.follow(null);
    this.show('queue');
    this.draw();
    if (why) this.toast(this.words.say(why));
  }

  get row() {
    return this.case?.row ?? this.rows.get(this.openId) ?? this.queue?.lives.get(this.openId) ?? null;
  }

  get holds() {
    return this.row?.holder === this.me;
  }

  /** One of the routes that change who holds the open conversation; whoever was quicker is told, and nothing is lost. */
  async turnOver(path, body, told) {
    const id = this.openId;
    if (!id) return false;
    try {
      const row = await call('POST', `/conversations/${encodeURIComponent(id)}/${path}`, body);
      if (row.state === 'live') this.rows.delete(id);
      else this.rows.set(id, row);
      this.draw();
      if (told) this.toast(told(row));
      if (id === this.openId) await this.read();
      return true;
    } catch (error) {
      this.fail(error);
      if (id === this.openId) this.read();
      return false;
    }
  }

  async claim() {
    // The keys of the suggestions go on working: nothing is being written yet.
    if (this.openId && !this.row?.holder) await this.turnOver('claim', {});
  }

  release(to) {
    return this.turnOver('release', {to}, () => this.words.say(to === 'aisle' ? 'handed_back' : 'was_released'));
  }

  async assign() {
    const agent = await assign(this);
    if (agent) await this.turnOver('assign', {agent}, () => this.words.say('was_assigned', {agent}));
  }

  async close() {
    const code = await close(this);
    if (code) await this.turnOver('close', {code}, () => this.words.say('was_closed'));
  }

  /** Says something to the customer. It is there at once, marked until the server has it, and sent again until then. */
  async send({text, cards = [], suggestion = null}) {
    const id = this.openId;
    const waiting = {
      message_id: newId(), role: 'agent', text, products: cards, agent: this.me, created_at: clock.now(), state: 'sending',
    };
    const body = {text, products: cards.map((card) => card.product_id), message_id: waiting.message_id};
    if (suggestion) body.suggestion_id = suggestion;
    const path = `/conversations/${encodeURIComponent(id)}/messages`;
    const before = this.waits.get(id) ?? [];
    // One after the other, in the order in which they were written.
    waiting.sent = Promise.allSettled(before.map((each) => each.sent)).then(() =>
      insist(() => call('POST', path, body), () => this.mark(waiting, 'unsent')),
    );
    this.waits.set(id, [...before, waiting]);
    this.talk.draw();
    try {
      const said = await waiting.sent;
      if (id === this.openId && this.case && !this.case.messages.some((each) => each.message_id === said.message_id)) {
        this.case.messages = [...this.case.messages, said];
      }
      return true;
    } catch (error) {
      this.toast(this.words.say('refused', {detail: error.message}), 'bad');
      this.talk.composer.giveBack(id, text, cards);
      if (id === this.openId) this.read();
      return false;
    } finally {
      const left = this.waits.get(id).filter((each) => each !== waiting);
      if (left.length) this.waits.set(id, left);
      else this.waits.delete(id);
      this.talk.draw();
    }
  }

  mark(waiting, state) {
    waiting.state = state;
    this.talk.draw();
  }

  /** A text in another language, by the shop's language model; null where it could not. */
  async translated(text, language) {
    try {
      return (await call('POST', `/conversations/${encodeURIComponent(this.openId)}/translation`, {text, language})).text;
    } catch (error) {
      this.fail(error);
      return null;
    }
  }

  async correct(messageId, label) {
    const path = `/conversations/${encodeURIComponent(this.openId)}/intent`;
    try {
      await call('POST', path, {message_id: messageId, intents: [label]});
      await this.read();
    } catch (error) {
      this.fail(error);
    }
  }

  help() {
    help(this);
  }

  // ---- what the agent is told

  nameOf(row) {
    if (row?.name) return row.name;
    const {customer} = (row && row.conversation_id === this.openId && this.case) || {};
    return customer && !customer.anonymous ? customer.user_id : this.words.say('visitor');
  }

  toast(text, kind = 'good') {
    const told = h(`p.toast.${kind}`, {role: kind === 'bad' ? 'alert' : 'status'}, text);
    this.toasts.append(told);
    setTimeout(() => told.remove(), TOAST_MS);
  }

  fail(error) {
    if (!(error instanceof Refused)) throw error;
    this.toast(error.message || this.words.say('failed'), 'bad');
  }

  tell(name, values) {
    this.spoken.textContent = this.words.say(name, values);
  }
}
