// The official TypeScript SDK as a client, from nothing to a tool that needs more than was asked for at first.
//
// PACKAGE=@modelcontextprotocol/sdk (version 1) or @modelcontextprotocol/client (version 2)
// node typescript.mjs http://127.0.0.1:PORT/mcp
//
// With BROWSER=1 the person has a real browser.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { Person } = await import(process.env.BROWSER ? './browser.mjs' : './person.mjs');

const PACKAGE = process.env.PACKAGE;
const REDIRECT_URI = 'http://localhost:8123/callback';
const mcp = new URL(process.argv[2]);

const { resolve } = createRequire(`${process.env.MODULES}/`);
const load = path => import(pathToFileURL(resolve(path)));
const first = PACKAGE.endsWith('/sdk');
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = first
  ? {
      ...(await load(`${PACKAGE}/client/index.js`)),
      ...(await load(`${PACKAGE}/client/streamableHttp.js`)),
      ...(await load(`${PACKAGE}/client/auth.js`)),
    }
  : await load(PACKAGE);

const told = (what, detail = '') => console.log(`   ${what} ${detail}`);

class Provider {
  #state = crypto.randomUUID();
  person = new Person();
  kept = {};
  asked = [];

  redirectUrl = REDIRECT_URI;
  clientMetadataUrl = process.env.DOCUMENT;
  clientMetadata = {
    client_name: `${PACKAGE} probe`,
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: process.env.SECRET ? 'client_secret_post' : 'none',
  };

  state = () => this.#state;
  clientInformation = () => this.kept.client;
  saveClientInformation = client => void (this.kept.client = client);
  tokens = () => this.kept.tokens;
  saveTokens = tokens => void (this.kept.tokens = tokens);
  codeVerifier = () => this.kept.verifier;
  saveCodeVerifier = verifier => void (this.kept.verifier = verifier);
  discoveryState = () => this.kept.discovery;
  saveDiscoveryState = discovery => void (this.kept.discovery = discovery);
  redirectToAuthorization = address => void this.asked.push(address);

  /** The person logs in and consents; the parameters that the client gets back. */
  async consent() {
    const back = (await this.person.go(this.asked.at(-1).href, REDIRECT_URI)).searchParams;
    assert.equal(back.get('error'), null, `${back}`);
    assert.equal(back.get('state'), this.#state);
    assert.equal(back.get('iss'), mcp.origin);
    return back;
  }
}

const provider = new Provider();
const connect = () => new StreamableHTTPClientTransport(mcp, { authProvider: provider });

/** Lets the person consent and hands the answer to the transport that asked. */
const finish = async transport => {
  const back = await provider.consent();
  await (first ? transport.finishAuth(back.get('code')) : transport.finishAuth(back));
};

/** A session of its own: what the SDK remembers of the last one does not help it. */
const session = async transport => {
  const client = new Client({ name: 'probe', version: '1' });
  await client.connect(transport);
  return client;
};

const scopes = () => provider.kept.tokens.scope.split(' ').filter(scope => scope !== 'offline_access').join(' ');
const text = result => result.content.map(part => part.text).join('');

let transport = connect();
await assert.rejects(session(transport), UnauthorizedError, 'nobody is let in without a token');
told('asked', provider.asked[0].searchParams.get('scope'));
if (process.env.DOCUMENT) assert.equal(provider.asked[0].searchParams.get('client_id'), process.env.DOCUMENT);
await finish(transport);
assert.equal(scopes(), 'projects:read projects:write');
told('got', scopes());

transport = connect();
let client = await session(transport);
const tools = (await client.listTools()).tools.map(tool => tool.name).sort();
assert.deepEqual(tools, ['create_project', 'delete_project', 'list_projects']);
const project = { name: `made by ${PACKAGE}` };
assert.equal(text(await client.callTool({ name: 'create_project', arguments: project })), `created ${project.name}`);
assert.match(text(await client.callTool({ name: 'list_projects', arguments: {} })), new RegExp(project.name));
told('called', 'list_projects, create_project');

// Version 1 refreshes where it should ask for more, as long as it has a refresh token.
if (first) delete provider.kept.tokens.refresh_token;
await assert.rejects(client.callTool({ name: 'delete_project', arguments: project }), UnauthorizedError);
const more = provider.asked.at(-1).searchParams.get('scope').split(' ');
for (const scope of ['projects:delete', 'projects:read', 'projects:write']) assert(more.includes(scope), `${more}`);
await finish(transport);
assert.equal(scopes(), 'projects:delete projects:read projects:write');
told('stepped up', scopes());
await client.close();
transport = connect();
client = await session(transport);
assert.equal(text(await client.callTool({ name: 'delete_project', arguments: project })), `deleted ${project.name}`);
told('called', 'delete_project');

const { access_token: before, refresh_token: used } = provider.kept.tokens;
provider.kept.tokens.access_token = 'gra_of_nobody';
await client.listTools();
assert.notEqual(provider.kept.tokens.access_token, before);
assert.notEqual(provider.kept.tokens.refresh_token, used, 'refresh tokens are rotated');
assert.equal(provider.asked.length, 2, 'nobody is asked for a refresh');
told('refreshed', scopes());
await client.close();
await provider.person.quit();
process.exit(0);
