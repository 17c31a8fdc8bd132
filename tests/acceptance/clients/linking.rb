# A client of the account_link API as its page shows one: net/http with set_form_data or JSON.
# ruby linking.rb ADDRESS APIKEY PSID
require 'json'
require 'net/http'

address, key, psid = ARGV
URL = URI(address)

def call(key, json: nil, form: nil, status: 200)
  request = Net::HTTP::Post.new(URL)
  request['APIKEY'] = key
  request.body = JSON.generate(json) if json
  request.set_form_data(form) if form
  response = Net::HTTP.start(URL.host, URL.port, read_timeout: 20) { |http| http.request(request) }
  answer = JSON.parse(response.body)
  is_right = response.code.to_i == status && answer['request_id'] == (status == 200 ? 'F4js0Za2' : '') && answer['result'] == (status == 200)
  abort(response.body) unless is_right
  answer
end

nested = lambda do |linking|
  { 'recipient' => { 'id' => psid.to_i }, 'timestamp' => '1409291011', 'account_linking' => linking,
    'request' => { 'method' => 'account_link', 'id' => 'F4js0Za2', 'meta' => '' } }
end
call(key, form: {
  'request.method' => 'account_link', 'request.id' => 'F4js0Za2', 'request.meta' => '', 'recipient.id' => psid,
  'account_linking.username' => 'myaccount', 'account_linking.email' => '', 'account_linking.status' => 'linked',
  'timestamp' => '1409291011'
})
call(key, json: nested.call({ 'status' => 'linked', 'email' => 'mike@example.com', 'phone_number' => 18_900_001_111 }))
call(key, json: nested.call({ 'status' => 'linked', 'username' => '用户', 'email' => nil }))
refused = call('wrong', json: nested.call({ 'status' => 'linked', 'username' => 'a' }), status: 401)
abort(refused.to_s) unless refused['error']['code'] == 10_005
call(key, json: nested.call({ 'status' => 'unlinked' }))
puts 'done'
