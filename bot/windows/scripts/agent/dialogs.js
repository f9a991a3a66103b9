// What is asked in between: to whom, how it ended; and the list of keys.

import {h} from './dom.js';
import {Keys} from './keys.js';

/** Shows a dialog of choices; what was chosen, or null. */
export function choose(desk, title, choices, none) {
  const {words} = desk;
  return new Promise((chosen) => {
    const dialog = h(
      'dialog',
      {'aria-label': title, onclose: () => (chosen(dialog.returnValue || null), dialog.remove())},
      h('form', {method: 'dialog'},
        h('h2', {}, title),
        choices.length
          ? h('div.choices', {}, choices.map(([value, name]) => h('button', {value}, name)))
          : h('p', {}, none),
        h('button.quiet', {value: ''}, words.say('cancel'))),
    );
    desk.root.append(dialog);
    dialog.showModal();
  });
}

export function assign(desk) {
  const others = desk.agents.filter((agent) => agent !== desk.me && agent !== desk.row?.holder);
  return choose(desk, desk.words.say('assign_ask'), others.map((agent) => [agent, agent]), desk.words.say('assign_none'));
}

export function close(desk) {
  const {words, codes} = desk;
  return choose(desk, words.say('close_ask'), codes.map((code) => [code, words.of('code', code)]), '');
}

const LIST = [
  [['j', 'k'], 'move'],
  [['Enter'], 'open'],
  [['/'], 'search'],
  [['c'], 'claim'],
  [['r'], 'reply'],
  [['n'], 'note'],
  [['1', '…', '8'], 'insert'],
  [['Shift', '1', '…', '8'], 'send_now'],
  [['x'], 'dismiss'],
  [['Ctrl', 'Enter'], 'send'],
  [['Esc'], 'leave'],
  [['?'], 'help'],
];

export function help(desk) {
  const {words} = desk;
  const dialog = h(
    'dialog.help',
    {'aria-label': words.say('keys_title'), onclose: () => dialog.remove()},
    h('form', {method: 'dialog'},
      h('h2', {}, words.say('keys_title')),
      h('dl', {}, LIST.map(([keys, name]) => h('div', {}, h('dt', {}, keys.map((key) => (key === '…' ? '…' : h('kbd', {}, key)))), h('dd', {}, words.say(`key_${name}`))))),
      h('label', {}, h('input', {type: 'checkbox', checked: Keys.on, onchange: (event) => (Keys.on = event.target.checked)}), ' ', words.say('keys_on')),
      h('button', {autofocus: true}, words.say('done'))),
  );
  desk.root.append(dialog);
  dialog.showModal();
}
