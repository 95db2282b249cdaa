// A person in front of a real browser: Chromium under ChromeDriver, which is spoken to by the WebDriver protocol (W3C).
// Fills in what FORM says and presses the button that goes on, as `person.mjs` does. With PICTURES=DIRECTORY each page
// is kept as it was seen before it was left.

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const fields = JSON.parse(process.env.FORM ?? '{}');
const GOES_ON = '//button[contains(., "Log in") or contains(., "Allow")]';
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
const MOST_PAGES = 10;

/** Starts ChromeDriver; it ends with this process. */
const start = async () => {
  const driver = spawn('chromedriver', ['--port=0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  process.once('exit', () => driver.kill());
  for await (const line of createInterface(driver.stdout)) {
    const port = line.match(/started successfully on port (\d+)/)?.[1];
    if (port) return `http://127.0.0.1:${port}`;
  }
  throw new Error('ChromeDriver did not start');
};

/** What the client has at its redirect URI. */
const listen = redirectUri =>
  new Promise((resolve, reject) => {
    const server = createServer((_, answer) => answer.end('You may close this window.'));
    server.once('error', reject).listen(new URL(redirectUri).port, 'localhost', resolve).unref();
  });

export class Person {
  #session;
  #pages = 0;

  /** Goes to an address and on, up to the client's redirect URI. */
  async go(address, redirectUri) {
    this.#session ??= await this.#open(redirectUri);
    await this.#say('POST', '/url', { url: address });
    for (let page = 0; page < MOST_PAGES; page++) {
      const at = await this.#say('GET', '/url');
      if (at.startsWith(redirectUri)) return new URL(at);
      await this.#fill();
      await this.#picture();
      await this.#say('POST', `/element/${(await this.#find(GOES_ON))[0]}/click`, {});
    }
    throw new Error(`still not back after ${MOST_PAGES} pages`);
  }

  async quit() {
    if (this.#session) await this.#say('DELETE', '');
  }

  async #open(redirectUri) {
    await listen(redirectUri);
    const driver = await start();
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--window-size=1000,1300'];
    const alwaysMatch = { browserName: 'chrome', 'goog:chromeOptions': { args } };
    this.#session = `${driver}/session`;
    const { sessionId } = await this.#say('POST', '', { capabilities: { alwaysMatch } });
    return `${driver}/session/${sessionId}`;
  }

  async #fill() {
    for (const [name, text] of Object.entries(fields)) {
      for (const element of await this.#find(`//input[@name="${name}"]`)) {
        await this.#say('POST', `/element/${element}/value`, { text });
      }
    }
  }

  async #find(xpath) {
    const found = await this.#say('POST', '/elements', { using: 'xpath', value: xpath });
    return found.map(element => element[ELEMENT]);
  }

  async #picture() {
    if (!process.env.PICTURES) return;
    const picture = await this.#say('GET', '/screenshot');
    await writeFile(`${process.env.PICTURES}/${++this.#pages}.png`, picture, 'base64');
  }

  async #say(method, path, body) {
    const answer = await fetch(`${this.#session}${path}`, { method, body: body && JSON.stringify(body) });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }
}
