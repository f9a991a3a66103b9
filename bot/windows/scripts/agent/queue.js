// The queue: who waits, in one list that is patched row by row. An element stays with its conversation, and so does the keyboard.

import {call, clock} from './api.js';
import {fill, h, span} from './dom.js';

const LONG_MS = 120_000; // a wait is amber from here on, and red from
const TOO_LONG_MS = 300_000;
const LIVE_MS = 10_000; // those that Aisle holds change with every word of every customer: they are read so often, while looked at
const FILTERS = ['language', 'reason', 'intent'];

export class Queue {
  constructor(desk) {
    this.desk = desk;
    this.state = 'waiting';
    this.cursor = null;
    this.lives = new Map();
    this.liveAt = 0;
    this.drawn = new Map(); // conversation_id -> {element, button, sign, clock}
    this.filters = {language: '', reason: '', intent: ''};
    const {words} = desk;
    this.tabs = (desk.supervisor ? ['waiting', 'mine', 'all', 'live'] : ['waiting', 'mine', 'all']).map((state) => {
      const count = h('b');
      const button = h('button', {type: 'button', 'data-state': state, onclick: () => this.turn(state)}, words.say(state), ' ', count);
      return {state, count, button};
    });
    this.search = h('input', {
      type: 'search', id: 'queue-search', placeholder: words.say('search'), 'aria-label': words.say('search'), oninput: () => this.draw(),
    });
    this.selects = FILTERS.map((name) =>
      h('select', {'aria-label': words.say(name), name, onchange: (event) => this.filter(name, event.target.value)}),
    );
    this.list = h('ul.rows', {'aria-label': words.say('queue')});
    this.empty = h('div.empty');
    this.element = h(
      'section.queue',
      {'aria-label': words.say('queue')},
      h('div.tabs', {role: 'group', 'aria-label': words.say('queue')}, this.tabs.map((tab) => tab.button)),
      h('div.filters', {}, this.search, h('div.selects', {}, this.selects)),
      this.list,
      this.empty,
    );
  }

  turn(state) {
    this.state = state;
    this.draw();
    if (state === 'live') this.readLive();
  }

  filter(name, value) {
    this.filters[name] = value;
    this.draw();
  }

  clear() {
    this.search.value = '';
    this.filters = {language: '', reason: '', intent: ''};
    this.draw();
  }

  /** The conversations that Aisle holds. */
  async readLive() {
    this.liveAt = Date.now();
    try {
      const {conversations} = await call('GET', '/conversations?state=live');
      this.lives = new Map(conversations.map((row) => [row.conversation_id, row]));
      this.draw();
    } catch (error) {
      this.desk.fail(error);
    }
  }

  of(state) {
    const {desk} = this;
    if (state === 'live') return [...this.lives.values()].filter((row) => !desk.rows.has(row.conversation_id));
    const rows = [...desk.rows.values()];
    if (state === 'waiting') return rows.filter((row) => row.state === 'waiting');
    if (state === 'mine') return rows.filter((row) => row.holder === desk.me);
    return rows;
  }

  shown() {
    const asked = this.search.value.trim().toLowerCase();
    const {language, reason, intent} = this.filters;
    return this.of(this.state)
      .filter(
        (row) =>
          (!language || row.language === language) &&
          (!reason || row.reason === reason) &&
          (!intent || row.intent?.label === intent) &&
          (!asked || `${this.desk.nameOf(row)} ${row.last_text} ${row.holder ?? ''}`.toLowerCase().includes(asked)),
      )
      .sort(
        (a, b) =>
          (a.waiting_since ?? Infinity) - (b.waiting_since ?? Infinity) ||
          b.updated_at - a.updated_at ||
          a.conversation_id.localeCompare(b.conversation_id),
      );
  }

  draw() {
    for (const {state, count, button} of this.tabs) {
      count.textContent = state === 'live' && !this.lives.size ? '' : this.of(state).length;
      button.setAttribute('aria-pressed', state === this.state);
    }
    this.drawFilters();
    const rows = this.shown();
    const ids = new Set(rows.map((row) => row.conversation_id));
    for (const [id, {element}] of this.drawn) {
      if (ids.has(id)) continue;
      element.remove();
      this.drawn.delete(id);
    }
    let at = this.list.firstElementChild;
    for (const row of rows) {
      const {element} = this.drawRow(row);
      if (element === at) at = at.nextElementSibling;
      else this.list.insertBefore(element, at);
    }
    this.empty.hidden = rows.length > 0;
    if (!rows.length) this.drawEmpty();
    this.tick();
  }

  drawFilters() {
    const {words} = this.desk;
    const all = this.of(this.state);
    const named = {language: (code) => words.tongue(code), reason: (value) => words.of('reason', value), intent: (value) => words.of('intent', value)};
    this.selects.forEach((select, place) => {
      const name = FILTERS[place];
      const values = [...new Set([...all.map((row) => (name === 'intent' ? row.intent?.label : row[name])), this.filters[name]])].filter(Boolean).sort();
      const sign = values.join(' ');
      if (select.dataset.sign !== sign) {
        select.dataset.sign = sign;
        fill(
          select,
          h('option', {value: ''}, words.say(name)),
          values.map((value) => h('option', {value}, named[name](value))),
        );
      }
      select.value = this.filters[name];
      select.classList.toggle('on', Boolean(this.filters[name]));
    });
  }

  drawEmpty() {
    const {words} = this.desk;
    const filtered = this.search.value.trim() || Object.values(this.filters).some(Boolean);
    const why = filtered ? 'none_found' : this.state === 'mine' ? 'none_mine' : this.state === 'live' ? 'none_found' : 'nobody_waits';
    fill(
      this.empty,
      h('p', {}, words.say(why)),
      filtered ? h('button', {type: 'button', onclick: () => this.clear()}, words.say('clear')) : null,
    );
  }

  drawRow(row) {
    const id = row.conversation_id;
    let drawn = this.drawn.get(id);
    if (!drawn) {
      const button = h('button.row', {type: 'button', 'data-conversation': id, onclick: () => this.desk.open(id), onfocus: () => (this.cursor = id)});
      drawn = {element: h('li', {}, button), button, sign: '', clock: null};
      this.drawn.set(id, drawn);
    }
    const open = id === this.desk.openId;
    const sign = JSON.stringify(row) + open;
    if (drawn.sign !== sign) {
      drawn.sign = sign;
      drawn.row = row;
      drawn.clock = h('span.wait');
      fill(drawn.button, ...this.inside(row, drawn.clock));
      if (open) drawn.button.setAttribute('aria-current', 'true');
      else drawn.button.removeAttribute('aria-current');
      drawn.button.classList.toggle('upset', row.sentiment === 'upset');
    }
    return drawn;
  }

  inside(row, wait) {
    const {words} = this.desk;
    const reason = row.reason && words.of('reason', row.reason);
    // That somebody who asked for a person wants one needs to be said once.
    const told = row.intent && !(row.reason === 'asked' && row.intent.label === 'handoff');
    const intent = told && words.of('intent', row.intent.label);
    const tags = [
      reason && h(`span.tag.reason-${row.reason}`, {}, reason),
      intent && intent !== reason && h('span.tag', {}, intent),
      row.sentiment !== 'neutral' && h(`span.tag.${row.sentiment}`, {}, words.of('sentiment', row.sentiment)),
      ['cooling', 'at-risk', 'gone'].includes(row.churn) && h('span.tag.churn', {}, words.of('churn', row.churn)),
    ];
    const where = h('span.plain', {}, h('abbr', {title: words.tongue(row.language)}, row.language.toUpperCase()), ' · ', words.of('channel', row.channel));
    const held = row.holder && h('span.tag.holder', {}, row.holder === this.desk.me ? words.say('you_hold') : words.say('held_by', {agent: row.holder}));
    return [
      h('span.top', {}, h('strong', {}, this.desk.nameOf(row)), row.value && h('span.value', {title: words.say('at_stake', {money: words.money(row.value)})}, words.money(row.value)), wait),
      h('span.last', {}, row.last_text),
      h('span.tags', {}, where, held, tags),
    ];
  }

  /** Waiting times count by themselves. */
  tick() {
    if (this.state === 'live' && Date.now() - this.liveAt > LIVE_MS) this.readLive();
    const now = clock.now();
    for (const {row, clock: shown} of this.drawn.values()) {
      if (row.state === 'live') continue;
      const waits = row.waiting_since === null ? null : now - row.waiting_since;
      const text = waits === null ? this.desk.words.say('answered') : span(waits);
      if (shown.textContent === text) continue;
      shown.textContent = text;
      shown.className = `wait ${waits === null ? 'none' : waits >= TOO_LONG_MS ? 'late' : waits >= LONG_MS ? 'long' : 'fresh'}`;
      if (waits !== null) shown.setAttribute('aria-label', this.desk.words.say('waits', {time: text}));
    }
  }

  /** Moves the keyboard by so many rows. */
  move(by) {
    const rows = this.shown();
    if (!rows.length) return;
    this.desk.show('queue');
    const from = rows.findIndex((row) => row.conversation_id === (this.cursor ?? this.desk.openId));
    const to = from < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, from + by));
    this.cursor = rows[to].conversation_id;
    this.drawn.get(this.cursor).button.focus();
  }
}
