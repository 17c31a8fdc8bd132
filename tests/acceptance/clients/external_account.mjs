// A client of the ExternalAccount protocol as its page shows one: fetch, a Bearer token, JSON.
// node external_account.mjs BASE APPKEY USER_TOKEN BACK_END_TOKEN
import assert from 'node:assert/strict';

const [base, appKey, userToken, backEndToken] = process.argv.slice(2);
const root = `${base}/ExternalAccount/${encodeURIComponent(appKey)}`;

async function call(method, path, token, body) {
  const response = await fetch(root + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  assert.equal(answer.code, response.status);
  assert.equal(answer.error === '', response.ok);
  return answer;
}

const pair = { unionID: 'node-client_1', platform: 'wechat' };

let answer = await call('POST', '', userToken, { ...pair, platformName: 'WeChat', data: '用户' });
assert.deepEqual(answer, { code: 200, data: true, error: '' });

answer = await call('GET', '', userToken);
const login = answer.data.find((each) => each.unionID === pair.unionID);
assert.deepEqual(
  Object.fromEntries(Object.entries(login).map(([name, value]) => [name, typeof value])),
  {
    id: 'number', userID: 'number', platformName: 'string', platform: 'string', unionID: 'string',
    avatar: 'string', data: 'string', enable: 'boolean', createDate: 'string', lastUpdate: 'string',
  },
);
assert.equal(login.data, '用户');
assert.ok(Math.abs(Date.parse(login.createDate) - Date.now()) < 60_000);

answer = await call('PUT', `/${login.id}`, userToken, { avatar: 'https://img.example.com/a.png' });
assert.equal(answer.data, true);

answer = await call('POST', '/SignIn', backEndToken, pair);
assert.equal(answer.data.token_type, 'Bearer');
assert.ok(Number.isInteger(answer.data.expires_in) && answer.data.expires_in > 0);
const token = answer.data.access_token;

answer = await call('GET', '', token);
assert.equal(answer.data.find((each) => each.id === login.id).avatar, 'https://img.example.com/a.png');

answer = await call('POST', '/SignIn', token, pair);
assert.deepEqual([answer.code, answer.data], [403, null]);
answer = await call('PUT', `/${login.id}`, userToken, { unionID: 'other' });
assert.deepEqual([answer.code, answer.data], [400, false]);
answer = await call('GET', '', 'nonsense');
assert.deepEqual([answer.code, answer.data], [401, []]);

answer = await call('DELETE', `/${login.id}`, token);
assert.equal(answer.data, true);
answer = await call('GET', '', token);
assert.equal(answer.code, 401);
console.log('done');
