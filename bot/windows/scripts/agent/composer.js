// Where an agent writes: a reply or a note. What is written is kept by conversation, and the reply at the server too.

import {backoff, call} from './api.js';
import {choose} from './dialogs.js';
import {fill, h} from './dom.js';
import {card} from './talk.js';

const KEEP_AFTER_MS = 500;
const MOST_CARDS = 8;
const GAP = /\{[\p{L}_ ]+\}/u; // what a template left to be filled in

const blank = () => ({mode: 'reply', reply: null, note: '', cards: [], suggestion: null, dirty: false, tries: 0, timer: 0});

export class Composer {
  constructor(desk) {
    this.desk = desk;
    this.id = null;
    this.kept = new Map(); // conversation_id -> what is being written there
    const {words} = desk;
    this.modes = ['reply', 'note'].map((mode) =>
      h('button', {type: 'button', 'data-mode': mode, onclick: () => this.turn(mode, true)}, words.say(mode)),
    );
    this.text = h('textarea', {rows: '2', id: 'answer', maxlength: '4000', oninput: () => this.typed(), onkeydown: (event) => this.key(event)});
    this.cards = h('div.attached');
    this.told = h('span.draft', {role: 'status'});
    this.button = h('button.primary', {type: 'button', 'data-act': 'send', onclick: () => this.submit()});
    this.macros = h('button', {type: 'button', onclick: () => this.pickMacro()}, words.say('macros'));
    this.translate = h('button', {type: 'button', hidden: true, onclick: () => this.translateReply()});
    this.element = h(
      'div.composer',
      {},
      h('div.modes', {role: 'group'}, this.modes, this.told),
      this.cards,
      this.text,
      h('div.sending', {}, this.translate, this.macros, this.button),
    );
  }

  get now() {
    if (!this.kept.has(this.id)) this.kept.set(this.id, blank());
    return this.kept.get(this.id);
  }

  turnTo(id) {
    this.id = id;
    this.element.hidden = !id;
    this.told.textContent = '';
    if (id) this.show();
  }

  /** The conversation was read: its kept draft appears where nothing has been written here. */
  draw() {
    if (!this.id) return;
    if (this.now.reply === null && this.desk.case) {
      this.now.reply = this.desk.case.draft;
      this.show();
    } else {
      this.drawButtons();
    }
  }

  show() {
    const {now} = this;
    const text = now.mode === 'note' ? now.note : (now.reply ?? '');
    if (this.text.value !== text) this.text.value = text;
    this.element.classList.toggle('noting', now.mode === 'note');
    this.modes.forEach((button) => button.setAttribute('aria-pressed', button.dataset.mode === now.mode));
    fill(this.cards, now.mode === 'reply' ? now.cards.map((each) => this.attached(each)) : null);
    this.drawButtons();
    this.fit();
  }

  drawButtons() {
    const {desk, now} = this;
    const {words} = desk;
    const noting = now.mode === 'note';
    this.button.textContent = words.say(noting ? 'keep_note' : 'send');
    const empty = !this.text.value.trim() && (noting || !now.cards.length);
    this.button.disabled = empty || (!noting && !desk.holds);
    // What was kept at the server comes first; what is written before it has come would lie over it.
    this.text.readOnly = !noting && now.reply === null;
    const hint = words.say(noting ? 'note_hint' : 'reply_hint', {name: desk.nameOf(desk.row)});
    this.text.placeholder = hint;
    this.text.setAttribute('aria-label', hint);
    this.macros.hidden = noting;
    const foreign = desk.row.language !== desk.language;
    this.translate.hidden = noting || !desk.translates || !foreign || !this.text.value.trim();
    this.translate.textContent = words.say('translate_to', {language: words.tongue(desk.row.language)});
  }

  attached(item) {
    const remove = () => {
      this.now.cards = this.now.cards.filter((each) => each.product_id !== item.product_id);
      this.show();
    };
    const name = this.desk.words.say('detach', {title: item.title});
    return h('div.held', {}, card(this.desk, item), h('button', {type: 'button', 'aria-label': name, title: name, onclick: remove}, '×'));
  }

  fit() {
    this.text.style.height = 'auto';
    this.text.style.height = `${this.text.scrollHeight + 2}px`;
  }

  focus() {
    this.text.focus();
  }

  turn(mode, focus = false) {
    if (!this.id) return;
    this.now.mode = mode;
    this.show();
    if (focus) this.focus();
  }

  typed() {
    const {now} = this;
    this.fit();
    if (now.mode === 'note') now.note = this.text.value;
    else {
      now.reply = this.text.value;
      if (!now.reply.trim()) now.suggestion = null;
      this.touched(this.id);
    }
    this.drawButtons();
  }

  key(event) {
    if (event.key !== 'Enter' || event.isComposing || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!this.button.disabled) this.submit();
    else if (this.text.value.trim()) this.desk.toast(this.desk.talk.notice.textContent, 'bad');
  }

  submit() {
    return this.now.mode === 'note' ? this.keepNote() : this.sendReply();
  }

  async sendReply() {
    const {now, id, desk} = this;
    const text = now.reply.trim();
    if (this.hasGap(text)) return;
    const {cards, suggestion} = now;
    Object.assign(now, {reply: '', cards: [], suggestion: null});
    this.show();
    // The draft at the server goes once the message is there, not before.
    now.dirty = true;
    if (await desk.send({text, cards, suggestion})) await this.keep(id);
  }

  /** Whether the text has a gap left; it is selected then. */
  hasGap(text) {
    const found = text.match(GAP);
    if (!found) return false;
    this.desk.toast(this.desk.words.say('gap', {gap: found[0]}), 'bad');
    const start = this.text.value.indexOf(found[0]);
    this.focus();
    if (start >= 0) this.text.setSelectionRange(start, start + found[0].length);
    return true;
  }

  async keepNote() {
    const {now, id, desk} = this;
    const text = now.note.trim();
    this.button.disabled = true;
    try {
      await call('POST', `/conversations/${encodeURIComponent(id)}/notes`, {text});
      Object.assign(now, {note: '', mode: 'reply'});
      if (id === this.id) this.show();
      if (id === desk.openId) await desk.read();
    } catch (error) {
      desk.fail(error);
      this.drawButtons();
    }
  }

  /** A suggestion comes into the reply: behind what was written, with its product. */
  insert({text, card: product, suggestion_id = null}) {
    const {now} = this;
    now.mode = 'reply';
    const before = (now.reply ?? '').trimEnd();
    now.reply = before ? `${before}\n${text}` : text;
    now.suggestion ??= suggestion_id;
    if (product && !now.cards.some((each) => each.product_id === product.product_id)) {
      now.cards = [...now.cards, product].slice(-MOST_CARDS);
    }
    this.show();
    this.touched(this.id);
    this.focus();
    const gap = now.reply.match(GAP);
    const end = now.reply.length;
    this.text.setSelectionRange(gap ? gap.index : end, gap ? gap.index + gap[0].length : end);
  }

  /** What could not be sent is in the reply again. */
  giveBack(id, text, cards) {
    const kept = this.kept.get(id) ?? blank();
    this.kept.set(id, kept);
    kept.reply = kept.reply ? `${text}\n${kept.reply}` : text;
    kept.cards = [...cards, ...kept.cards];
    if (id === this.id) this.show();
    this.touched(id);
  }

  /** The reply in the customer's language, in its place: the agent reads it before it is sent. */
  async translateReply() {
    const {now, id, desk} = this;
    const before = now.reply;
    this.translate.disabled = true;
    const text = await desk.translated(before, desk.row.language);
    this.translate.disabled = false;
    if (!text || now.reply !== before) return;
    now.reply = text;
    if (id === this.id) this.show();
    this.touched(id);
  }

  async pickMacro() {
    const {desk} = this;
    try {
      const {macros} = await call('GET', '/macros');
      const own = (macro) => macro.language === desk.row.language;
      const sorted = [...macros.filter(own), ...macros.filter((macro) => !own(macro))];
      const chosen = await choose(desk, desk.words.say('macros'), sorted.map((macro) => [macro.macro_id, macro.title]), desk.words.say('macros_none'));
      const macro = macros.find((each) => each.macro_id === chosen);
      if (macro) this.insert({text: macro.text});
    } catch (error) {
      desk.fail(error);
    }
  }

  // ---- the draft

  touched(id) {
    const kept = this.kept.get(id);
    kept.dirty = true;
    clearTimeout(kept.timer);
    kept.timer = setTimeout(() => this.keep(id), KEEP_AFTER_MS);
  }

  /** Keeps the open conversation's draft now. */
  flush(more) {
    return this.id && this.now.dirty ? this.keep(this.id, more) : Promise.resolve();
  }

  async keep(id, more) {
    const kept = this.kept.get(id);
    clearTimeout(kept.timer);
    // What is on its way is still the draft.
    if (!kept.dirty || this.desk.waits.has(id)) return;
    kept.dirty = false;
    try {
      await call('PUT', `/conversations/${encodeURIComponent(id)}/draft`, {text: kept.reply ?? ''}, more);
      kept.tries = 0;
      if (id === this.id) this.told.textContent = kept.reply ? this.desk.words.say('draft_kept') : '';
    } catch (error) {
      if (!error.passing) return;
      kept.dirty = true;
      kept.timer = setTimeout(() => this.keep(id), backoff(kept.tries));
      kept.tries += 1;
      if (id === this.id) this.told.textContent = this.desk.words.say('draft_unkept');
    }
  }
}
