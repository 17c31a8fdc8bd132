# A client of the account_link API as its page shows one: plain curl, with -d, -F or JSON.
# bash linking.sh ADDRESS APIKEY PSID
set -eu
call() { curl -sS --max-time 20 "$1" -H "$2" "${@:3}"; }
must() { case "$1" in *"$2"*) ;; *) echo "$1" >&2; exit 1 ;; esac; }
good='"request_id": "F4js0Za2", "result": true, "error_code": 0, "error_message": ""'
nested() { echo "{\"recipient\": {\"id\": \"$1\"}, \"timestamp\": \"1409291011\", \"account_linking\": {$2}, \"request\": {\"method\": \"account_link\", \"id\": \"F4js0Za2\", \"meta\": \"\"}}"; }
must "$(call "$1" "APIKEY: $2" -d request.method=account_link -d request.id=F4js0Za2 -d request.meta= -d "recipient.id=$3" \
  -d account_linking.username=myaccount -d account_linking.email= -d account_linking.status=linked -d timestamp=1409291011)" "$good"
must "$(call "$1" "apikey: $2" -F request.method=account_link -F request.id=F4js0Za2 -F "recipient.id=$3" \
  -F account_linking.username=用户 -F account_linking.status=linked)" "$good"
must "$(call "$1" "APIKEY: $2" -d "$(nested "$3" '"status": "linked", "email": "mike@example.com", "phone_number": 18900001111')")" "$good"
must "$(call "$1" "APIKEY: wrong" -d "$(nested "$3" '"status": "linked", "username": "a"')")" '"error_code": 10005'
must "$(call "$1" "APIKEY: $2" -H 'Content-Type: application/json' -d "$(nested "$3" '"status": "unlinked"')")" "$good"
echo done
