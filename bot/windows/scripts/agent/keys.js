// The keyboard. A single key does something only where nothing is being typed, and can be turned off (WCAG 2.1.4).

const KEPT = 'aisle-desk-single-keys';
const TYPING = 'input, textarea, select, [contenteditable]';
const PICKS = /^Digit([1-8])$/;

export class Keys {
  constructor(desk) {
    this.desk = desk;
    document.addEventListener('keydown', (event) => this.pressed(event));
  }

  static get on() {
    try {
      return localStorage.getItem(KEPT) !== 'off';
    } catch {
      return true;
    }
  }

  static set on(value) {
    try {
      localStorage.setItem(KEPT, value ? 'on' : 'off');
    } catch {
      // A browser that keeps nothing has them on.
    }
  }

  pressed(event) {
    // While an input method composes, its keys are its own.
    if (event.isComposing || event.defaultPrevented || document.querySelector('dialog[open]')) return;
    if (this.act(event)) event.preventDefault();
  }

  /** Whether the key was one of the desk's. */
  act(event) {
    const {desk} = this;
    const typing = event.target.closest?.(TYPING);
    const [, pick] = event.code.match(PICKS) ?? [];
    if (event.key === 'Escape') return this.leave(typing);
    if (typing) return Boolean(pick && event.altKey && !event.ctrlKey && !event.metaKey && desk.beside.insert(Number(pick)));
    if (event.ctrlKey || event.metaKey || event.altKey || !Keys.on) return false;
    const acts = {
      j: () => desk.queue.move(1),
      k: () => desk.queue.move(-1),
      '/': () => desk.queue.search.focus(),
      c: () => desk.claim(),
      r: () => desk.talk.composer.turn('reply', true),
      n: () => desk.talk.composer.turn('note', true),
      x: () => desk.beside.dismiss(),
      '?': () => desk.help(),
    };
    // Before the digits: on some keyboards a slash is Shift and 7.
    const act = acts[event.key];
    act?.();
    if (act || !pick) return Boolean(act);
    return event.shiftKey ? desk.beside.sendNow(Number(pick)) : desk.beside.insert(Number(pick));
  }

  leave(typing) {
    typing?.blur();
    if (!typing && this.desk.root.dataset.pane !== 'queue') this.desk.show(this.desk.root.dataset.pane === 'beside' ? 'talk' : 'queue');
    return Boolean(typing);
  }
}
