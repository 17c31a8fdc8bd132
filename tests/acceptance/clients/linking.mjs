// A client of the account_link API as its page shows one: fetch with a form, FormData or JSON.
// node linking.mjs ADDRESS APIKEY PSID
import assert from 'node:assert/strict';

const [address, key, psid] = process.argv.slice(2);

async function call(body, headers = {}, status = 200) {
  const response = await fetch(address, { method: 'post', headers: { APIKEY: key, ...headers }, body });
  const answer = await response.json();
  assert.equal(response.status, status, JSON.stringify(answer));
  assert.equal(answer.request_id, status === 200 ? 'F4js0Za2' : '');
  assert.equal(answer.result, status === 200);
  return answer;
}

const fields = {
  'request.method': 'account_link', 'request.id': 'F4js0Za2', 'request.meta': '', 'recipient.id': psid,
  'account_linking.username': 'myaccount', 'account_linking.email': '', 'account_linking.status': 'linked',
  timestamp: '1409291011',
};
const nested = (linking) => JSON.stringify({
  recipient: { id: psid },
  timestamp: '1409291011',
  account_linking: linking,
  request: { method: 'account_link', id: 'F4js0Za2', meta: '' },
});
const form = new FormData();
Object.entries(fields).forEach(([name, value]) => form.set(name, value));
await call(form);
await call(new URLSearchParams(fields));
await call(nested({ status: 'linked', email: 'mike@example.com', phone_number: 18900001111 }), { 'Content-Type': 'application/json' });
await call(nested({ status: 'linked', username: '用户' })); // text/plain, as fetch says of text
const refused = await call(nested({ status: 'linked', username: 'a' }), { APIKEY: 'wrong' }, 401);
assert.equal(refused.error.code, 10005);
await call(nested({ status: 'unlinked' }));
console.log('done');
