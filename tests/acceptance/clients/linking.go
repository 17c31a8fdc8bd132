// A client of the account_link API as its page shows one: net/http with a form or JSON as text.
// linking ADDRESS APIKEY PSID
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

var address, psid string

func call(key, kind, body string, status int) map[string]any {
	request, err := http.NewRequest("POST", address, strings.NewReader(body))
	must(err == nil, err)
	request.Header.Add("APIKEY", key)
	if kind != "" {
		request.Header.Add("Content-Type", kind)
	}
	response, err := http.DefaultClient.Do(request)
	must(err == nil, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(err == nil, err)
	answer := map[string]any{}
	must(json.Unmarshal(text, &answer) == nil, string(text))
	must(response.StatusCode == status, string(text))
	must(status != 200 || answer["request_id"] == "F4js0Za2", string(text))
	must(answer["result"] == (status == 200), string(text))
	return answer
}

func must(holds bool, what any) {
	if !holds {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

func nested(linking string) string {
	return `{"recipient": {"id": "` + psid + `"}, "timestamp": "1409291011", "account_linking": {` + linking +
		`}, "request": {"method": "account_link", "id": "F4js0Za2", "meta": ""}}`
}

func main() {
	address, psid = os.Args[1], os.Args[3]
	key := os.Args[2]
	form := url.Values{
		"request.method": {"account_link"}, "request.id": {"F4js0Za2"}, "request.meta": {""}, "recipient.id": {psid},
		"account_linking.username": {"myaccount"}, "account_linking.email": {""},
		"account_linking.status": {"linked"}, "timestamp": {"1409291011"},
	}
	call(key, "application/x-www-form-urlencoded", form.Encode(), 200)
	call(key, "application/json", nested(`"status": "linked", "email": "mike@example.com", "phone_number": 18900001111`), 200)
	call(key, "", nested(`"status": "linked", "username": "用户", "email": null`), 200)
	refused := call("wrong", "", nested(`"status": "linked", "username": "a"`), 401)
	must(refused["error_code"].(float64) == 10005, refused)
	call(key, "", nested(`"status": "unlinked"`), 200)
	fmt.Println("done")
}
