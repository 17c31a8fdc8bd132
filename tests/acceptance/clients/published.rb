# A client as the published page shows one: net/http, set_form_data for what it binds, JSON elsewhere.
# ruby published.rb BASE APPKEY USER_TOKEN BACK_END_TOKEN
require 'json'
require 'net/http'

base, app_key, user, back_end = ARGV
ROOT = URI("#{base}/ExternalAccount/#{app_key}")

def call(kind, path, token, json: nil, form: nil)
  uri = URI("#{ROOT}#{path}")
  request = kind.new(uri)
  request['Authorization'] = "Bearer #{token}"
  request['Content-Type'] = 'application/json'
  request.body = JSON.generate(json) if json
  request.set_form_data(form) if form # it replaces the Content-Type
  response = Net::HTTP.start(uri.host, uri.port, read_timeout: 20) { |http| http.request(request) }
  answer = JSON.parse(response.body)
  abort(response.body) unless answer['code'] == 200
  answer['data']
end

pair = { 'unionID' => 'ruby-client_1', 'platform' => 'wechat' }
nothing = { 'platformName' => '', 'avatar' => '', 'data' => '' }
call(Net::HTTP::Post, '', user, form: pair.merge(nothing)) or abort('not bound')
login = call(Net::HTTP::Get, '', user).find { |each| each['unionID'] == 'ruby-client_1' } or abort('not listed')
call(Net::HTTP::Put, "/#{login['id']}", user, form: { 'data' => 'changed', 'enable' => true })
call(Net::HTTP::Put, "/#{login['id']}", user, json: login.merge('data' => 'again'))
token = call(Net::HTTP::Post, '/SignIn', back_end, json: pair.merge('twoFactorCode' => nil))
abort(token.to_s) unless token['token_type'] == 'Bearer'
call(Net::HTTP::Delete, "/#{login['id']}", user)
puts 'done'
