// A client as the published page shows one: net/http, a method in small letters, JSON as text.
// published BASE APPKEY USER_TOKEN BACK_END_TOKEN
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

var base, appKey string

func call(method, path, token, body string) map[string]any {
	request, err := http.NewRequest(method, base+"/ExternalAccount/"+appKey+path, strings.NewReader(body))
	must(err == nil, err)
	request.Header.Add("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Add("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	must(err == nil, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(err == nil, err)
	answer := map[string]any{}
	must(json.Unmarshal(text, &answer) == nil, string(text))
	must(int(answer["code"].(float64)) == response.StatusCode, answer)
	return answer
}

func must(holds bool, what any) {
	if !holds {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

func main() {
	base, appKey = os.Args[1], os.Args[2]
	user, backEnd := os.Args[3], os.Args[4]
	pair := `"unionID": "go-client_1", "platform": "qq"`
	answer := call("post", "", user, "{"+pair+`, "platformName": "", "avatar": null, "data": ""}`)
	must(answer["data"] == true, answer)
	answer = call("get", "", user, "")
	var login map[string]any
	for _, each := range answer["data"].([]any) {
		if each.(map[string]any)["unionID"] == "go-client_1" {
			login = each.(map[string]any)
		}
	}
	must(login != nil, answer)
	id := fmt.Sprintf("/%.0f", login["id"].(float64))
	login["data"] = "changed"
	changed, _ := json.Marshal(login)
	answer = call("put", id, user, string(changed))
	must(answer["data"] == true, answer)
	answer = call("post", "/SignIn", backEnd, "{"+pair+`, "twoFactorCode": ""}`)
	must(answer["data"].(map[string]any)["token_type"] == "Bearer", answer)
	answer = call("delete", id, user, "")
	must(answer["data"] == true, answer)
	fmt.Println("done")
}
