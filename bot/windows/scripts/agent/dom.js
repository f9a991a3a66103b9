// Elements out of data. All text becomes text nodes: what customers and catalogs say is never markup.

export function h(kind, properties = {}, ...children) {
  const [tag, ...classes] = kind.split('.');
  const element = document.createElement(tag || 'div');
  if (classes.length) element.className = classes.join(' ');
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || (value === false && !name.startsWith('aria-'))) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true && !name.startsWith('aria-') ? '' : String(value));
  }
  element.append(...flat(children));
  return element;
}

const flat = (children) => children.flat(Infinity).filter((child) => child || child === 0);

export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/** An address that a page may link to: of this site, http or https; "" else. */
export function safeUrl(address) {
  const text = String(address || '').trim();
  if (text.startsWith('/') && !text.startsWith('//')) return text;
  return /^https?:\/\//i.test(text) ? text : '';
}

/** A stable id for what is sent, so that sending it again says it once. `randomUUID` is missing over plain http. */
export const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** What people read: words of the language, money, instants and spans. */
export class Words {
  constructor({words, language}) {
    this.words = words;
    this.language = language;
    this.clock = new Intl.DateTimeFormat(language, {hour: 'numeric', minute: '2-digit'});
    this.date = new Intl.DateTimeFormat(language, {day: 'numeric', month: 'short', year: 'numeric'});
    this.percents = new Intl.NumberFormat(language, {style: 'percent'});
    this.lists = new Intl.ListFormat(language, {type: 'conjunction', style: 'short'});
    this.tongues = new Intl.DisplayNames(language, {type: 'language'});
  }

  /** The text of a name, with what stands in braces filled in. */
  say(name, values = {}) {
    return (this.words[name] ?? name).replace(/\{(\w+)\}/g, (gap, key) => values[key] ?? gap);
  }

  /** A word for a value of the data; the value itself where there is none. */
  of(kind, value) {
    return this.words[`${kind}_${value}`] ?? String(value).replaceAll('_', ' ');
  }

  money(value) {
    const style = new Intl.NumberFormat(this.language, {style: 'currency', currency: value.currency, currencyDisplay: 'narrowSymbol'});
    return style.format(value.amount / 10 ** style.resolvedOptions().maximumFractionDigits);
  }

  percent(share) {
    return this.percents.format(share);
  }

  list(parts) {
    return this.lists.format(parts);
  }

  tongue(code) {
    try {
      return this.tongues.of(code);
    } catch {
      return code;
    }
  }

  time(instant) {
    return this.clock.format(instant);
  }

  day(instant) {
    return this.date.format(instant);
  }
}

/** How long something took: "0:42", "12:05", "3 h 05". */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (number) => String(number).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)} d`;
  if (hours) return `${hours} h ${two(Math.floor(seconds / 60) % 60)}`;
  return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}
