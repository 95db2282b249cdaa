// A person in front of a browser, as far as HTML goes: keeps cookies, follows redirects, fills in the first form of a
// page with what FORM says, and presses the button that goes on. Stops where the client's redirect URI begins.
//
// With SHOWN=text, one of the pages on the way must show that text.
//
// node person.mjs URL REDIRECT_URI prints the URL that the browser was sent back to. With CALL=1 it opens that as well.

import { pathToFileURL } from 'node:url';

const fields = JSON.parse(process.env.FORM ?? '{}');
const goesOn = /allow|approve|continue|log ?in|sign ?in/i;
const MOST_HOPS = 20;
const { SHOWN } = process.env;

const entities = { amp: '&', quot: '"', lt: '<', gt: '>' };
const unescape = text =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    if (decimal) return String.fromCodePoint(Number(decimal));
    return entities[name] ?? whole;
  });

const attributes = tag =>
  Object.fromEntries(
    [...tag.matchAll(/([\w-]+)\s*=\s*"([^"]*)"|([\w-]+)/g)]
      .slice(1)
      .map(([, name, value, bare]) => [(name ?? bare).toLowerCase(), unescape(value ?? '')]),
  );

/** The request that the page's first form makes, with the button that goes on. */
const submission = (page, address) => {
  const form = page.match(/<form\b[^>]*>[\s\S]*?<\/form>/i)?.[0];
  if (!form) throw new Error(`a page without a form at ${address}: ${page.slice(0, 300)}`);
  const { action, method } = attributes(form.match(/<form\b[^>]*>/i)[0]);
  const body = new URLSearchParams();
  for (const [tag] of form.matchAll(/<input\b[^>]*>/gi)) {
    const { name, value } = attributes(tag);
    if (name) body.append(name, fields[name] ?? value ?? '');
  }
  const buttons = [...form.matchAll(/<button\b[^>]*>[\s\S]*?<\/button>/gi)].map(([button]) => button);
  const button = attributes((buttons.find(button => goesOn.test(button)) ?? buttons[0] ?? '').match(/<[^>]*>/)?.[0] ?? '');
  if (button.name) body.append(button.name, button.value ?? '');
  if (method?.toLowerCase() !== 'post') throw new Error(`a form that is not posted at ${address}`);
  return { address: new URL(action || address, address).href, body };
};

export class Person {
  #cookies = new Map();

  /** Goes to an address and on, up to the client's redirect URI. */
  async go(address, redirectUri) {
    let body;
    let isShown = !SHOWN;
    for (let hop = 0; hop < MOST_HOPS; hop++) {
      if (address.startsWith(redirectUri)) {
        if (!isShown) throw new Error(`no page showed ${SHOWN}`);
        return new URL(address);
      }
      const response = await this.#request(address, body);
      const location = response.headers.get('location');
      if (location) {
        [address, body] = [new URL(location, address).href, undefined];
        continue;
      }
      const page = await response.text();
      isShown ||= page.replace(/<style[\s\S]*?<\/style>/gi, '').includes(`>${SHOWN}<`);
      if (!response.ok) throw new Error(`${response.status} at ${address}: ${page.slice(0, 300)}`);
      ({ address, body } = submission(page, address));
    }
    throw new Error(`still not back after ${MOST_HOPS} hops: ${address}`);
  }

  async quit() {}

  async #request(address, body) {
    const { origin } = new URL(address);
    const known = this.#cookies.get(origin) ?? new Map();
    const cookie = [...known].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { accept: 'text/html', ...(cookie && { cookie }), ...(body && { origin, referer: address }) };
    const response = await fetch(address, { method: body ? 'POST' : 'GET', body, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [name, ...value] = line.split(';')[0].split('=');
      known.set(name, value.join('='));
    }
    this.#cookies.set(origin, known);
    return response;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , address, redirectUri] = process.argv;
  const back = await new Person().go(address, redirectUri);
  if (process.env.CALL) await fetch(back);
  console.log(back.href);
}
