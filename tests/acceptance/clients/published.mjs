// A client as the published page shows one: fetch with methods in small letters, and empty text where nothing is.
// node published.mjs BASE APPKEY USER_TOKEN BACK_END_TOKEN
import assert from 'node:assert/strict';

const [base, appKey, user, backEnd] = process.argv.slice(2);

async function call(method, path, token, body, headers = { 'Content-Type': 'application/json' }) {
  const response = await fetch(`${base}/ExternalAccount/${appKey}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...headers },
    body: body && (typeof body === 'string' || body instanceof FormData ? body : JSON.stringify(body)),
  });
  const answer = await response.json();
  assert.equal(answer.code, 200, JSON.stringify(answer));
  return answer.data;
}

const pair = { unionID: 'node-client_2', platform: 'wechat' };
const form = new FormData();
Object.entries({ ...pair, platformName: '', avatar: '', data: '' }).forEach(([name, value]) => form.set(name, value));
assert.equal(await call('post', '', user, form, {}), true);
const urlencoded = { 'Content-Type': 'application/x-www-form-urlencoded' };
assert.equal(await call('post', '', user, new URLSearchParams(pair).toString(), urlencoded), true);
const login = (await call('get', '', user)).find((each) => each.unionID === pair.unionID);
assert.equal(await call('put', `/${login.id}`, user, { ...login, data: 'changed' }), true);
const token = await call('post', '/SignIn', backEnd, { ...pair, twoFactorCode: '' });
assert.equal(token.token_type, 'Bearer');
assert.equal(await call('delete', `/${login.id}`, user), true);
console.log('done');
