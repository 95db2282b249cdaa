// The tokens of one connection: kept, renewed, given back.

import { challenge, refresh, revoke } from '/oauth.js';

const KEY = 'connection';

// All tabs share it, so that each uses the newest tokens. A bigger app would keep them out of the page's reach.
export const current = () => JSON.parse(localStorage.getItem(KEY) ?? 'null');

export function keep(found, clientId, answer) {
  const lifetime = answer.expires_in;
  localStorage.setItem(KEY, JSON.stringify({
    found,
    clientId,
    scope: answer.scope,
    token: answer.access_token,
    refreshToken: answer.refresh_token,
    // Shortly before the end; without a lifetime only the API can tell.
    renewAt: lifetime ? Date.now() + (lifetime - Math.min(30, lifetime / 4)) * 1000 : null,
  }));
}

/** The access is over, for the reason that the server gave. */
export class Withdrawn extends Error {}

/** Calls an API with a token that is good; renews the token before it ends, or when the API says that it has. */
export async function call(api, init, fetchJson) {
  if (isDue(current())) await renew(fetchJson);
  const { token } = current() ?? {};
  const answer = await send(api, init, fetchJson);
  const ended = answer.response.status === 401 && challenge(answer.response).error === 'invalid_token';
  if (!ended || !current()?.refreshToken) return answer;
  // Another tab may have renewed it in the meantime.
  if (current().token === token) await renew(fetchJson);
  return send(api, init, fetchJson);
}

function send(api, init, fetchJson) {
  if (!current()) throw new Withdrawn('it was forgotten in another tab');
  return fetchJson(api, { ...init, headers: { ...init.headers, Authorization: `Bearer ${current().token}` } });
}

const isDue = (connection) => connection?.refreshToken && connection.renewAt && Date.now() >= connection.renewAt;

let renewing = null;

// One at a time in this tab. If two tabs come at once, the server gives both the same answer.
function renew(fetchJson) {
  renewing ??= renewOnce(fetchJson).finally(() => { renewing = null; });
  return renewing;
}

async function renewOnce(fetchJson) {
  const used = current();
  const { token, error } = await refresh(used.found, used.clientId, used.refreshToken, fetchJson);
  // A slower tab must not put older tokens in the place of newer ones.
  if (current()?.refreshToken !== used.refreshToken) return;
  if (token) return keep(used.found, used.clientId, { ...token, refresh_token: token.refresh_token ?? used.refreshToken });
  localStorage.removeItem(KEY);
  throw new Withdrawn(error);
}

/** Forgets the connection, and has the server forget it; whether it did. */
export async function end(fetchJson) {
  const connection = current();
  localStorage.removeItem(KEY);
  return !connection || giveBack(connection, fetchJson);
}

/** Has the server end a connection; whether it did. */
export async function giveBack({ found, clientId, token, refreshToken }, fetchJson) {
  try {
    return await revoke(found.server, clientId, refreshToken ?? token, fetchJson);
  } catch {
    return false;
  }
}

/** Runs `work` when the token is about to end. */
export function beforeItEnds(work) {
  clearTimeout(beforeItEnds.timer);
  const { renewAt, refreshToken } = current() ?? {};
  if (renewAt && refreshToken) beforeItEnds.timer = setTimeout(work, Math.max(500, renewAt - Date.now()));
}
