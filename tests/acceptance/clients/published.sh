# A client as the published page shows one: plain curl, JSON without a word on its type, methods in small letters.
# sh published.sh BASE APPKEY USER_TOKEN BACK_END_TOKEN
set -eu
root="$1/ExternalAccount/$2"
call() { curl -sS --max-time 20 -H "Authorization: Bearer $1" "$root$2" -X "$3" "${@:4}"; }
must() { case "$1" in *"$2"*) ;; *) echo "$1" >&2; exit 1 ;; esac; }
pair='"unionID": "curl-client_1", "platform": "wechat"'
must "$(call "$3" "" post -d "{$pair, \"platformName\": \"\", \"avatar\": \"\", \"data\": \"\"}")" '"data": true'
must "$(call "$3" "" post -F unionID=curl-client_1 -F platform=wechat)" '"data": true'
listed=$(call "$3" "" get)
id=$(echo "$listed" | grep -o '{"id": [0-9]*,[^}]*curl-client_1' | grep -o '[0-9]*' | head -1)
must "$(call "$3" "/$id" put -d '{"data": "changed", "enable": true}')" '"data": true'
must "$(call "$4" "/SignIn" post -d "{$pair, \"twoFactorCode\": \"\"}")" '"token_type": "Bearer"'
must "$(call "$3" "/$id" delete)" '"data": true'
echo done
