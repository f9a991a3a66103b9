// The conversation: who holds it, what was said, noted and done in it, and the place to answer.

import {Composer} from './composer.js';
import {fill, h, safeUrl} from './dom.js';

const NEAR_PX = 80; // whoever reads at the end follows what is new; whoever reads above is told of it

/** One product, small: in the transcript, among suggestions and at the composer. */
export function card(desk, item, ...more) {
  const {words} = desk;
  const picture = safeUrl(item.image_url);
  const link = safeUrl(item.url);
  return h(
    'div.product',
    {'data-product': item.product_id},
    picture ? h('img', {src: picture, alt: '', loading: 'lazy'}) : h('span.no-picture', {'aria-hidden': 'true'}),
    h(
      'div',
      {},
      link ? h('a.title', {href: link, target: '_blank', rel: 'noopener'}, item.title) : h('span.title', {}, item.title),
      h('p.facts', {}, h('b', {}, item.price ? words.money(item.price) : words.say('no_price')), h(`span.${item.availability}`, {}, words.of('stock', item.availability))),
      more,
    ),
  );
}

export class Talk {
  constructor(desk) {
    this.desk = desk;
    this.composer = new Composer(desk);
    this.top = h('header.about');
    this.notice = h('p.notice', {role: 'status'});
    this.list = h('ol.told');
    this.log = h('div.log', {role: 'log', 'aria-live': 'polite', 'aria-label': desk.words.say('conversation'), tabindex: '0', onscroll: () => this.seen()}, this.list);
    this.newer = h('button.newer', {type: 'button', hidden: true, onclick: () => this.toEnd()}, desk.words.say('newer'), ' ↓');
    this.blank = h('div.blank', {}, h('p', {}, desk.words.say('choose')), h('p', {}, desk.words.say('choose_keys')));
    this.element = h('section.talk-pane', {'aria-label': desk.words.say('conversation')}, this.blank, this.top, this.notice, this.log, this.newer, this.composer.element);
    this.drawn = new Map(); // key -> {element, sign}
    this.atEnd = true;
    // Whoever is at the end stays there while the answer below grows.
    new ResizeObserver(() => this.atEnd && this.toEnd()).observe(this.log);
    this.turnTo(null);
  }

  turnTo(id) {
    this.drawn.clear();
    fill(this.list);
    this.element.classList.toggle('none', !id);
    this.newer.hidden = true;
    this.composer.turnTo(id);
    this.drawTop();
  }

  focus() {
    this.composer.focus();
  }

  draw() {
    this.drawTop();
    this.drawLog();
    this.composer.draw();
  }

  drawTop() {
    const {desk} = this;
    const {row, words} = desk;
    if (!row) {
      fill(this.top);
      this.notice.hidden = true;
      return;
    }
    const button = (name, act, kind = '', key = '') =>
      h(`button${kind}`, {type: 'button', 'data-act': name, onclick: act}, words.say(name), key && h('kbd', {}, key));
    const buttons = [];
    if (desk.holds) {
      buttons.push(
        button('to_aisle', () => desk.release('aisle')),
        button('to_queue', () => desk.release('queue')),
        button('assign', () => desk.assign()),
        button('close', () => desk.close(), '.primary'),
      );
    } else {
      if (!row.holder) buttons.push(button(row.state === 'live' ? 'take_over' : 'claim', () => desk.claim(), '.primary', 'c'));
      if (desk.supervisor) buttons.push(button('assign', () => desk.assign()));
    }
    const facts = [words.tongue(row.language), words.of('channel', row.channel), row.reason && words.of('reason', row.reason)];
    // The buttons are drawn anew only when they change, so that the keyboard stays on them.
    const sign = JSON.stringify([row.conversation_id, row.holder, row.state, row.name, facts, desk.case?.contact]);
    if (this.top.dataset.sign !== sign) {
      this.top.dataset.sign = sign;
      fill(
        this.top,
        h('button.narrow', {type: 'button', 'aria-label': words.say('back'), onclick: () => desk.show('queue')}, '‹'),
        h('div.who', {}, h('h2', {}, desk.nameOf(row)), h('p', {}, facts.filter(Boolean).join(' · '))),
        h('div.doing', {}, buttons),
        h('button.narrow.to-beside', {type: 'button', onclick: () => desk.show('beside')}, words.say('show_beside')),
      );
    }
    const notice = desk.holds
      ? desk.case?.contact && words.say('contact', {contact: desk.case.contact})
      : row.holder
        ? [words.say('has_this', {agent: row.holder}), this.composer.now.reply?.trim() && words.say('kept')].filter(Boolean).join(' ')
        : words.say(row.state === 'live' ? 'with_aisle' : 'claim_first');
    this.notice.hidden = !notice;
    if (notice && this.notice.textContent !== notice) this.notice.textContent = notice;
    this.notice.classList.toggle('taken', Boolean(row.holder && !desk.holds));
  }

  /** All entries in their order: what was said, what happened between, notes by their time, and what is on its way. */
  entries() {
    const {desk} = this;
    const {messages, happenings, notes} = desk.case;
    const told = [];
    const happened = (place) => happenings.filter((each) => each.place === place).forEach((each) => told.push({key: `h${each.place} ${each.created_at} ${each.event}`, at: each.created_at, happening: each}));
    messages.forEach((message, place) => {
      happened(place);
      told.push({key: `m${message.message_id}`, at: message.created_at, message});
    });
    happened(messages.length);
    for (const note of notes) {
      const before = told.findIndex((each) => each.at > note.created_at);
      told.splice(before < 0 ? told.length : before, 0, {key: `n${note.note_id}`, at: note.created_at, note});
    }
    const there = new Set(messages.map((message) => message.message_id));
    for (const waiting of desk.waits.get(desk.openId) ?? []) {
      if (!there.has(waiting.message_id)) told.push({key: `m${waiting.message_id}`, at: waiting.created_at, message: waiting});
    }
    return told;
  }

  drawLog() {
    if (!this.desk.case) return;
    const follows = this.atEnd || !this.drawn.size;
    const entries = this.entries();
    const keys = new Set(entries.map((each) => each.key));
    for (const [key, {element}] of this.drawn) {
      if (keys.has(key)) continue;
      element.remove();
      this.drawn.delete(key);
    }
    let at = this.list.firstElementChild;
    let fresh = false;
    let day = '';
    for (const entry of entries) {
      const today = this.desk.words.day(entry.at);
      const {element, isNew} = this.drawEntry(entry, today === day ? '' : today);
      day = today;
      fresh ||= isNew;
      if (element === at) at = at.nextElementSibling;
      else this.list.insertBefore(element, at);
    }
    if (follows) this.toEnd();
    else if (fresh) this.newer.hidden = false;
  }

  drawEntry(entry, day) {
    const {state, ...data} = entry.message ?? entry.happening ?? entry.note;
    const sign = JSON.stringify([data, state, day]);
    const before = this.drawn.get(entry.key);
    if (before?.sign === sign) return {element: before.element, isNew: false};
    const element = before?.element ?? h('li');
    const inside = entry.message ? this.message(entry.message) : entry.note ? this.note(entry.note) : this.happening(entry.happening);
    const kind = entry.message ? `msg ${entry.message.role}` : entry.note ? 'noted' : 'happened';
    element.className = kind + (state ? ` ${state}` : '');
    fill(element, day && h('p.day', {}, day), inside);
    this.drawn.set(entry.key, {element, sign});
    return {element, isNew: !before};
  }

  message(message) {
    const {desk} = this;
    const {words} = desk;
    const who = {user: desk.nameOf(desk.row), assistant: 'Aisle', agent: message.agent === desk.me ? words.say('you_hold') : message.agent}[message.role];
    const state = message.state && h('span.state', {}, words.say(message.state));
    return [
      h('p.by', {}, h('strong', {}, who), ' ', h('time', {datetime: new Date(message.created_at).toISOString()}, words.time(message.created_at)), this.intent(message), state),
      message.text && h('p.text', {lang: message.language}, message.text),
      message.products.length > 0 && h('div.products', {}, message.products.map((each) => card(desk, each))),
      this.translation(message),
      (message.citations ?? []).map((each) => h('p.cites', {}, words.say('source', {title: each.title}))),
    ];
  }

  intent(message) {
    if (message.role !== 'user' || !message.intent) return null;
    const {words, beside} = this.desk;
    const corrected = message.corrected.length > 0;
    const labels = corrected ? message.corrected.map((each) => words.of('intent', each)).join(', ') : words.of('intent', message.intent.label);
    const name = corrected ? labels : `${labels} ${words.percent(message.intent.confidence)}`;
    return h(`button.intent${corrected ? '.corrected' : ''}`, {type: 'button', title: words.say('correct'), onclick: () => beside.pick(message.message_id, true)}, name);
  }

  /** What was said in a language that is not the window's can be read in it. */
  translation(message) {
    const {desk} = this;
    if (!desk.translates || !message.text || !message.language || message.language === desk.language) return null;
    const place = h('p.translation');
    const read = async (event) => {
      event.target.disabled = true;
      const text = await desk.translated(message.text, desk.language);
      event.target.disabled = false;
      if (text) fill(place, text, ' ', h('small', {}, desk.words.say('by_machine')));
    };
    fill(place, h('button.quiet', {type: 'button', onclick: read}, desk.words.say('translate')));
    return place;
  }

  note(note) {
    const {words} = this.desk;
    return [h('p.by', {}, h('strong', {}, words.say('note_by', {agent: note.author})), ' ', h('time', {}, words.time(note.created_at))), h('p.text', {}, note.text)];
  }

  happening({event, agent, created_at}) {
    const {words} = this.desk;
    return h('p', {}, words.say(event, {agent}), ' ', h('time', {}, words.time(created_at)));
  }

  seen() {
    this.atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_PX;
    if (this.atEnd) this.newer.hidden = true;
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.atEnd = true;
    this.newer.hidden = true;
  }
}
