import * as connection from '/connection.js';
import { answer, authorization, challenge, discover, exchange, register } from '/oauth.js';

const API = document.querySelector('meta[name="projects-api"]').content;
const REDIRECT_URI = new URL('/', location.href).href;
const CLIENT = {
  client_name: 'Skyline Roadmaps',
  redirect_uris: [REDIRECT_URI],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
};

// Forgotten with the tab.
const memory = {
  get: (key) => JSON.parse(sessionStorage.getItem(key) ?? 'null'),
  set: (key, value) => sessionStorage.setItem(key, JSON.stringify(value)),
  take(key) {
    const value = this.get(key);
    sessionStorage.removeItem(key);
    return value;
  },
};

const at = (id) => document.getElementById(id);

// --- the wire ---------------------------------------------------------------------------------

function note(line) {
  const lines = [...(memory.get('wire') ?? []), line].slice(-60);
  memory.set('wire', lines);
  showWire(lines);
}

function showWire(lines = memory.get('wire') ?? []) {
  at('wire').replaceChildren(...lines.map((line) => element('li', line)));
}

async function fetchJson(url, init = {}) {
  const response = await fetch(url, init);
  const grant = init.body instanceof URLSearchParams && init.body.get('grant_type');
  note(`${init.method ?? 'GET'} ${url}${grant ? ` with a grant of type ${grant}` : ''} → ${response.status}`);
  return { response, body: await response.json().catch(() => null) };
}

const callApi = (init = {}) => connection.call(API, init, fetchJson);

// --- connecting -------------------------------------------------------------------------------

async function connect(scope) {
  say('Looking for the server that guards your projects …');
  const found = await discover(API, fetchJson);
  const clientId = await register(found.server, CLIENT, fetchJson);
  await askFor(found, clientId, scope);
}

async function askFor(found, clientId, scope) {
  const { pending, url } = await authorization(found, clientId, REDIRECT_URI, scope);
  memory.set('pending', pending);
  note(`browser goes to ${new URL(url).pathname} and asks for ${scope}`);
  location.assign(url);
}

async function comeBack(params) {
  // A code must not stay in the address bar, nor be sent twice by a reload.
  history.replaceState(null, '', '/');
  const pending = memory.take('pending');
  const { code, error } = answer(params, pending);
  if (error) {
    note(`browser came back with ${error}`);
    say(error === 'access_denied' ? 'You said no (access_denied). Nothing was shared.' : `The server refused: ${error}.`);
    return offerToConnectAgain();
  }
  note('browser came back with a code');
  const token = await exchange(code, pending, fetchJson);
  const { server, resource, clientId } = pending;
  const before = connection.current();
  connection.keep({ server, resource }, clientId, token);
  // The new access takes the place of a narrower one.
  if (before) await connection.giveBack(before, fetchJson);
  await showProjects();
}

// --- the projects -----------------------------------------------------------------------------

async function showProjects() {
  const { response, body } = await callApi();
  if (!response.ok) return refused(response);
  at('project-list').replaceChildren(...body.projects.map((project) => element('li', project.name)));
  say(`Connected. Skyline may use: ${connection.current().scope}.`);
  show('projects');
  connection.beforeItEnds(() => step(showProjects));
}

async function addProject(name) {
  const { response } = await callApi({
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  if (!response.ok) return refused(response);
  at('add-form').reset();
  await showProjects();
}

/** The API said no: the access is gone, or it was never wide enough. */
async function refused(response) {
  const { error, scope } = challenge(response);
  if (response.status === 401) {
    await connection.end(fetchJson);
    return withdrawn('the API answered 401');
  }
  if (response.status === 403 && error === 'insufficient_scope') {
    const { found, clientId, scope: granted } = connection.current();
    return askFor(found, clientId, [...new Set(`${granted} ${scope}`.split(' '))].join(' '));
  }
  say(`The API answered ${response.status}.`);
}

function withdrawn(reason) {
  say(`Your access was withdrawn or has ended (${reason}). Connect again to go on.`);
  offerToConnectAgain();
}

async function forget() {
  const told = await connection.end(fetchJson);
  say(told
    ? 'Forgotten here, and the project app has ended the connection.'
    : 'Forgotten here, but the project app could not be told: end the connection there, too.');
  offerToConnectAgain();
}

// --- the page ---------------------------------------------------------------------------------

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function say(text) {
  at('status').textContent = text;
}

function show(section) {
  for (const id of ['connect', 'projects']) at(id).hidden = id !== section;
}

function offerToConnectAgain() {
  at('connect-button').textContent = 'Connect again';
  show('connect');
}

/** Runs one step and shows what went wrong, if something did. */
async function step(work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof connection.Withdrawn) return withdrawn(error.message);
    say(`That did not work: ${error.message}.`);
    show(connection.current() ? 'projects' : 'connect');
  }
}

at('connect-button').addEventListener('click', () =>
  step(() => connect(at('ask-write').checked ? 'projects:read projects:write' : 'projects:read')));
at('reload').addEventListener('click', () => step(showProjects));
at('forget').addEventListener('click', () => step(forget));
at('add-form').addEventListener('submit', (event) => {
  event.preventDefault();
  step(() => addProject(at('add-name').value));
});

showWire();
const params = new URLSearchParams(location.search);
if (params.has('code') || params.has('error')) step(() => comeBack(params));
else if (connection.current()) step(showProjects);
else show('connect');
