// What stands beside a conversation: what to do next, suggestions, a summary, the intents, and the customer.

import {call} from './api.js';
import {fill, h} from './dom.js';
import {card} from './talk.js';

const FIRST = 3; // of a long list; the others stand behind a fold
const MOST_PICKS = 8; // as many as there are keys for

export class Beside {
  constructor(desk) {
    this.desk = desk;
    this.panels = Object.fromEntries(['next', 'summary', 'suggestions', 'intents', 'customer'].map((name) => [name, h(`section.panel-${name}`)]));
    const back = h('button.narrow', {type: 'button', onclick: () => desk.show('talk')}, '‹ ', desk.words.say('conversation'));
    this.element = h('aside.beside', {'aria-label': desk.words.say('beside')}, back, Object.values(this.panels));
    this.turnTo();
  }

  turnTo() {
    this.keys = {}; // what each part was read for
    this.failed = new Set();
    this.picks = [];
    this.picked = null; // the message whose intent is corrected; the latest by default
    this.folds = new Set();
    Object.values(this.panels).forEach((panel) => fill(panel));
    this.element.hidden = !this.desk.openId;
  }

  draw() {
    const {messages, row} = this.desk.case;
    const asked = messages.findLast((message) => message.role === 'user');
    // Before a person is asked for, Aisle answers, and nobody needs to be told what to say.
    const helps = row.state !== 'live' && (!row.holder || this.desk.holds);
    this.panels.suggestions.hidden = !helps;
    this.load('suggestions', helps && asked ? asked.message_id : null, (found) => {
      this.picks = found?.suggestions.slice(0, MOST_PICKS) ?? [];
      this.drawSuggestions(found);
    });
    if (this.heldBefore !== this.desk.holds && this.keys.suggestions) this.drawSuggestions({suggestions: this.picks});
    this.heldBefore = this.desk.holds;
    const last = messages.at(-1)?.message_id ?? null;
    this.load('next-action', helps ? last : null, (found) => this.drawNext(found));
    this.load('summary', last, (found) => this.drawSummary(found));
    this.drawIntents();
    this.drawCustomer();
  }

  /** Reads one part once for each `key`, in the agent's language; `null` is nothing to read. */
  async load(part, key, draw) {
    if (this.keys[part] === key) return;
    this.keys[part] = key;
    this.failed.delete(part);
    if (key === null) {
      draw(null);
      return;
    }
    const id = this.desk.openId;
    const current = () => id === this.desk.openId && this.keys[part] === key;
    try {
      const found = await call('GET', `/conversations/${encodeURIComponent(id)}/${part}?language=${this.desk.language}`);
      if (current()) draw(found);
    } catch (error) {
      if (!current()) return;
      this.keys[part] = error.passing ? undefined : key; // what may pass is read again with the next change
      this.failed.add(part);
      draw(null);
    }
  }

  title(name, ...more) {
    return h('h3', {}, this.desk.words.say(name), ...more);
  }

  // ---- next, summary

  drawNext(found) {
    const {words} = this.desk;
    fill(this.panels.next, found && [h('p.do', {}, h('b', {}, words.say('next')), ' ', found.text), found.reasons.length > 0 && h('p.why', {}, found.reasons.join(' · '))]);
  }

  drawSummary(found) {
    const {words} = this.desk;
    fill(
      this.panels.summary,
      this.title('summary'),
      found?.open_issue && h('p.open-issue', {}, found.open_issue),
      found?.sentences.length ? h('ul', {}, found.sentences.map((each) => h('li', {}, each))) : h('p.soft', {}, words.say('summary_none')),
      found?.by_model && h('p.soft', {}, words.say('summary_by_model')),
    );
  }

  // ---- suggestions

  drawSuggestions(found) {
    const {words, holds} = this.desk;
    const none = found ? 'suggestions_none' : this.failed.has('suggestions') ? 'suggestions_late' : 'suggestions_wait';
    fill(
      this.panels.suggestions,
      this.title('suggestions'),
      this.picks.length ? h('ol.picks', {}, this.picks.map((pick, place) => this.suggestion(pick, place + 1, holds))) : h('p.soft', {}, words.say(none)),
    );
  }

  suggestion(pick, number, holds) {
    const {words} = this.desk;
    const reasons = pick.card?.reasons ?? [];
    return h(
      'li.pick',
      {'data-kind': pick.kind, 'data-suggestion': pick.suggestion_id, tabindex: '0', 'aria-label': `${number}. ${words.of('kind', pick.kind)}: ${pick.text}`},
      h('p.source', {}, h('kbd', {}, number), h('b.kind', {}, words.of('kind', pick.kind)), !pick.card && h('span', {title: pick.title}, pick.title)),
      pick.text && h('p.text', {}, pick.text),
      pick.card && card(this.desk, pick.card, reasons.length > 0 && h('ul.reasons', {}, reasons.map((each) => h('li', {}, each.text)))),
      pick.citation && !pick.text.includes(pick.citation.quote) && h('blockquote', {}, pick.citation.quote),
      pick.missing.length > 0 && h('p.missing', {}, words.say('missing', {names: words.list(pick.missing.map((each) => words.of('missing', each)))})),
      h(
        'div.doing',
        {},
        h('button', {type: 'button', 'data-act': 'insert', onclick: () => this.insert(number)}, words.say('insert')),
        h('button', {type: 'button', 'data-act': 'send-now', disabled: !holds, onclick: () => this.sendNow(number)}, words.say('send_now')),
        h('button.quiet', {type: 'button', 'data-act': 'dismiss', onclick: () => this.dismiss(number)}, words.say('dismiss')),
      ),
    );
  }

  insert(number) {
    const pick = this.picks[number - 1];
    if (!pick) return false;
    this.desk.show('talk');
    this.desk.talk.composer.insert(pick);
    this.mark(pick, 'inserted');
    return true;
  }

  sendNow(number) {
    const {desk} = this;
    const pick = this.picks[number - 1];
    if (!pick || !desk.holds) return false;
    if (pick.missing.length || desk.talk.composer.hasGap(pick.text)) return this.insert(number);
    this.drop(pick);
    desk.send({text: pick.text, cards: pick.card ? [pick.card] : [], suggestion: pick.suggestion_id});
    // With what is sent the server drops the draft; what is being written beside it is kept anew.
    desk.talk.composer.touched(desk.openId);
    return true;
  }

  /** Removes the suggestion, the one in focus where none is named, else the first. */
  dismiss(number) {
    const focused = document.activeElement?.closest?.('.pick')?.dataset.suggestion;
    const pick = number ? this.picks[number - 1] : (this.picks.find((each) => each.suggestion_id === focused) ?? this.picks[0]);
    if (!pick) return;
    const place = this.picks.indexOf(pick);
    this.drop(pick);
    this.mark(pick, 'dismissed');
    if (focused) this.panels.suggestions.querySelectorAll('.pick')[Math.min(place, this.picks.length - 1)]?.focus();
  }

  drop(pick) {
    this.picks = this.picks.filter((each) => each !== pick);
    this.drawSuggestions({suggestions: this.picks});
  }

  mark(pick, done) {
    const path = `/conversations/${encodeURIComponent(this.desk.openId)}/suggestions/${encodeURIComponent(pick.suggestion_id)}`;
    // A figure that is lost is no reason to stop an agent.
    call('POST', path, {done}).catch(() => null);
  }

  // ---- intents

  pick(messageId, focus) {
    this.picked = messageId;
    this.drawIntents();
    if (!focus) return;
    this.desk.show('beside');
    this.panels.intents.scrollIntoView({block: 'nearest'});
    this.panels.intents.querySelector('.labels button')?.focus();
  }

  drawIntents() {
    const {desk} = this;
    const {words} = desk;
    const told = desk.case.messages.filter((message) => message.role === 'user' && message.intent);
    if (!told.length) {
      fill(this.panels.intents, this.title('intents'), h('p.soft', {}, words.say('intents_none')));
      return;
    }
    const chosen = told.find((message) => message.message_id === this.picked) ?? told.at(-1);
    const now = chosen.corrected.length ? chosen.corrected : [chosen.intent.label];
    const history = told.slice(-8).map((message) => this.turn(message, message === chosen));
    const labels = desk.case.labels.map((label) =>
      h('button', {type: 'button', 'data-label': label, 'aria-pressed': now.includes(label), onclick: () => desk.correct(chosen.message_id, label)}, words.of('intent', label)),
    );
    const sign = JSON.stringify([told.slice(-8), chosen.message_id]);
    if (this.panels.intents.dataset.sign === sign && this.panels.intents.childElementCount) return;
    this.panels.intents.dataset.sign = sign;
    fill(this.panels.intents, this.title('intents'), h('ol.turns', {}, history), h('p.soft', {}, words.say('wrong')), h('div.labels', {role: 'group', 'aria-label': words.say('correct')}, labels));
  }

  turn(message, chosen) {
    const {words} = this.desk;
    const {label, confidence} = message.intent;
    const corrected = message.corrected.map((each) => words.of('intent', each)).join(', ');
    const sure = words.percent(confidence);
    return h(
      'li',
      {},
      h(
        'button',
        {type: 'button', 'aria-pressed': chosen, title: message.text, onclick: () => this.pick(message.message_id)},
        h('span.name', {}, corrected ? h('s', {}, words.of('intent', label)) : words.of('intent', label), corrected && h('b', {}, ` ${corrected}`)),
        h('span.bar', {'aria-hidden': 'true'}, bar(confidence)),
        h('span.sure', {'aria-label': words.say('confidence', {percent: sure})}, sure),
      ),
    );
  }

  // ---- the customer

  drawCustomer() {
    const {desk} = this;
    const {words} = desk;
    const {customer} = desk.case;
    const sign = JSON.stringify([customer, [...this.folds]]);
    if (this.panels.customer.dataset.sign === sign && this.panels.customer.childElementCount) return;
    this.panels.customer.dataset.sign = sign;
    const row = (name, ...value) => h('div', {}, h('dt', {}, words.say(name)), h('dd', {}, value));
    const known = customer.anonymous ? words.say('customer_unknown') : [customer.name || customer.user_id, customer.email].filter(Boolean).join(' · ');
    const consent = Object.entries(customer.consent).map(([name, given]) => h(`span.tag${given ? '.given' : '.refused'}`, {}, words.of('consent', name), ': ', words.say(given ? 'yes' : 'no')));
    fill(
      this.panels.customer,
      this.title('customer'),
      h('p.known', {}, known),
      h(
        'dl',
        {},
        customer.stage && row('stage', words.of('stage', customer.stage)),
        customer.churn && row('churn', h(`span.tag.churn-${customer.churn}`, {}, words.of('churn', customer.churn)), customer.churn_reason && h('p.soft', {}, customer.churn_reason)),
        row('interests', customer.beliefs.length ? this.folded('interests', customer.beliefs, (each) => h('span.tag', {}, each.text)) : h('span.soft', {}, words.say('interests_none'))),
        row('orders', customer.orders.length ? this.folded('orders', customer.orders, (each) => this.order(each)) : h('span.soft', {}, words.say('orders_none'))),
        row('cart', customer.cart.lines.length ? [customer.cart.lines.map((each) => h('p.line', {}, `${each.quantity} × ${each.title}`)), customer.cart.subtotal && h('b', {}, words.money(customer.cart.subtotal))] : h('span.soft', {}, words.say('cart_none'))),
        row('consent', consent),
      ),
    );
  }

  order(order) {
    const {words} = this.desk;
    return h(
      'div.order',
      {},
      h('p', {}, h('b', {}, order.order_id), ' ', h('span.tag', {}, words.of('status', order.status)), ' ', order.total && words.money(order.total)),
      h('p.soft', {}, words.day(order.placed_at), order.tracking && ` · ${order.tracking}`),
      h('p.soft', {}, order.titles.join(', ')),
    );
  }

  folded(name, all, draw) {
    if (this.folds.has(name) || all.length <= FIRST) return all.map(draw);
    const more = () => {
      this.folds.add(name);
      this.drawCustomer();
    };
    return [all.slice(0, FIRST).map(draw), h('button.quiet', {type: 'button', onclick: more}, this.desk.words.say('more', {count: all.length}))];
  }
}

function bar(share) {
  const inner = h('i');
  inner.style.width = `${Math.round(share * 100)}%`;
  return inner;
}
