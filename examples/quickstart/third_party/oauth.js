// OAuth for a page without a server: discovery, registration, code grant with PKCE.
// Nothing here knows which authorization server it talks to.

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const sha256 = async (text) =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));

/** The parameters of the `Bearer` challenge in a `WWW-Authenticate` header. */
export function challenge(response) {
  const header = response.headers.get('WWW-Authenticate') ?? '';
  if (!/^bearer\b/i.test(header)) return {};
  return Object.fromEntries([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
}

/** From an API's 401 to the authorization server in charge of it (RFC 9728, RFC 8414). */
export async function discover(api, fetchJson) {
  const knock = await fetchJson(api);
  const pointer = challenge(knock.response).resource_metadata;
  if (!pointer) throw new Error('the API does not say who guards it');

  const resource = (await fetchJson(pointer)).body;
  // RFC 9728 §3.3: metadata about something else than what was asked for is not to be used.
  if (!covers(resource.resource, api)) throw new Error('the metadata is about another resource');

  const issuer = resource.authorization_servers[0];
  const server = (await fetchJson(wellKnown(issuer))).body;
  // RFC 8414 §3.3: a server speaks for itself only.
  if (server.issuer !== issuer) throw new Error('the server metadata is about another server');
  if (!server.code_challenge_methods_supported?.includes('S256')) throw new Error('the server lacks PKCE');
  return { resource: resource.resource, server };
}

function covers(resource, api) {
  const [outer, inner] = [new URL(resource), new URL(api)];
  return outer.origin === inner.origin && `${inner.pathname}/`.startsWith(`${outer.pathname.replace(/\/$/, '')}/`);
}

// RFC 8414 §3.1: the well-known part goes between the host and the issuer's own path.
function wellKnown(issuer) {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`;
}

/** Introduces this page to the server (RFC 7591) and answers the client id. */
export async function register(server, metadata, fetchJson) {
  const { response, body } = await fetchJson(server.registration_endpoint, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(metadata),
  });
  if (response.status !== 201) throw new Error(`registration failed: ${body?.error ?? response.status}`);
  return body.client_id;
}

/** Starts an authorization: what to remember, and where to send the browser. */
export async function authorization({ server, resource }, clientId, redirectUri, scope) {
  const pending = { server, resource, clientId, redirectUri, scope, state: random(), verifier: random() };
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    ...Object.fromEntries(url.searchParams),
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    scope,
    resource,
    state: pending.state,
    code_challenge: base64url(await sha256(pending.verifier)),
    code_challenge_method: 'S256',
  });
  return { pending, url: url.href };
}

/** What came back with the browser: a code, or an error; throws if it answers another question. */
export function answer(params, pending) {
  if (!pending || params.get('state') !== pending.state) throw new Error('that is no answer to this page');
  // RFC 9207 §2.4: an answer from another server must not be used.
  const { issuer, authorization_response_iss_parameter_supported: required } = pending.server;
  if ((required || params.has('iss')) && params.get('iss') !== issuer) throw new Error('another server answered');
  return { code: params.get('code'), error: params.get('error') };
}

/** Exchanges a code for tokens. */
export async function exchange(code, pending, fetchJson) {
  const { response, body } = await fetchJson(pending.server.token_endpoint, form({
    grant_type: 'authorization_code',
    code,
    client_id: pending.clientId,
    redirect_uri: pending.redirectUri,
    code_verifier: pending.verifier,
    resource: pending.resource,
  }));
  if (!response.ok) throw new Error(`no token: ${body?.error ?? response.status}`);
  return body;
}

/** Trades a refresh token for new tokens (RFC 6749 §6); an error if the access is over. */
export async function refresh({ server, resource }, clientId, refreshToken, fetchJson) {
  const { response, body } = await fetchJson(server.token_endpoint, form({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: clientId,
    resource,
  }));
  if (response.ok) return { token: body };
  if (['invalid_grant', 'invalid_client'].includes(body?.error)) return { error: body.error };
  throw new Error(`no new token: ${body?.error ?? response.status}`);
}

/** Gives a token back (RFC 7009); a refresh token takes the whole access with it. Whether the server took it. */
export async function revoke(server, clientId, token, fetchJson) {
  if (!server.revocation_endpoint) return false;
  const { response } = await fetchJson(server.revocation_endpoint, form({ token, client_id: clientId }));
  return response.ok;
}

const form = (fields) => ({ method: 'POST', body: new URLSearchParams(fields) });
