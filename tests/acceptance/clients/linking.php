<?php
// A client of the account_link API as its page shows one: curl with an array, a query or JSON.
// php linking.php ADDRESS APIKEY PSID
[$_, $address, $key, $psid] = $argv;

function call($body, array $more = [], int $status = 200, ?string $apikey = null): array {
    global $address, $key;
    $curl = curl_init($address);
    curl_setopt_array($curl, [
        CURLOPT_POST => true,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 20,
        CURLOPT_HTTPHEADER => array_merge(['APIKEY: ' . ($apikey ?? $key)], $more),
        CURLOPT_POSTFIELDS => $body,
    ]);
    $answer = json_decode((string) curl_exec($curl), true);
    $is_right = curl_getinfo($curl, CURLINFO_RESPONSE_CODE) === $status
        && ($answer['request_id'] ?? null) === ($status === 200 ? 'F4js0Za2' : '') && $answer['result'] === ($status === 200);
    if (!$is_right) {
        fwrite(STDERR, curl_error($curl) . json_encode($answer));
        exit(1);
    }
    return $answer;
}

function nested(array $linking): string {
    global $psid;
    return json_encode([
        'recipient' => ['id' => $psid],
        'timestamp' => '1409291011',
        'account_linking' => $linking,
        'request' => ['method' => 'account_link', 'id' => 'F4js0Za2', 'meta' => ''],
    ]);
}

$fields = [
    'request.method' => 'account_link', 'request.id' => 'F4js0Za2', 'request.meta' => '', 'recipient.id' => $psid,
    'account_linking.username' => 'myaccount', 'account_linking.email' => '', 'account_linking.status' => 'linked',
    'timestamp' => '1409291011',
];
call($fields);  // an array: multipart
call(http_build_query($fields));  // urlencoded
call(nested(['status' => 'linked', 'email' => 'mike@example.com', 'phone_number' => 18900001111]), ['Content-Type: application/json']);
call(nested(['status' => 'linked', 'username' => '用户']));  // curl calls it urlencoded
$refused = call(nested(['status' => 'linked', 'username' => 'a']), [], 401, 'wrong');
if ($refused['error']['code'] !== 10005) {
    exit(1);
}
call(nested(['status' => 'unlinked']));
echo "done\n";
