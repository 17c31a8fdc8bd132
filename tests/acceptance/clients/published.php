<?php
// A client as the published page shows one: curl, a method in small letters, an array or JSON as body.
// php published.php BASE APPKEY USER_TOKEN BACK_END_TOKEN
[$_, $base, $appKey, $user, $backEnd] = $argv;

function call(string $method, string $path, string $token, $body = null, array $more = []): array {
    global $base, $appKey;
    $curl = curl_init();
    curl_setopt_array($curl, [
        CURLOPT_URL => "$base/ExternalAccount/$appKey$path",
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 20,
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_HTTPHEADER => array_merge(["Authorization: Bearer $token"], $more),
    ]);
    if ($body !== null) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
    }
    $answer = curl_exec($curl);
    if ($answer === false) {
        fwrite(STDERR, curl_error($curl));
        exit(1);
    }
    return json_decode($answer, true);
}

function must(bool $holds, $answer): void {
    if (!$holds) {
        fwrite(STDERR, json_encode($answer));
        exit(1);
    }
}

$json = ['Content-Type: application/json'];
$pair = ['unionID' => 'php-client_1', 'platform' => 'wechat'];
$none = ['platformName' => '', 'avatar' => '', 'data' => ''];

$answer = call('post', '', $user, $pair + $none);  // an array: multipart
must($answer['data'] === true, $answer);
$answer = call('post', '', $user, http_build_query($pair + $none));  // urlencoded
must($answer['data'] === true, $answer);
$answer = call('get', '', $user);
$logins = array_values(array_filter($answer['data'], fn ($each) => $each['unionID'] === 'php-client_1'));
must(count($logins) === 1, $answer);
$login = $logins[0];
$login['avatar'] = 'http://img.example.com/a.png';
$answer = call('put', '/' . $login['id'], $user, json_encode($login), $json);  // fetched, changed, put back
must($answer['data'] === true, $answer);
$answer = call('post', '/SignIn', $backEnd, json_encode($pair + ['twoFactorCode' => '']), $json);
must($answer['data']['token_type'] === 'Bearer', $answer);
$answer = call('delete', '/' . $login['id'], $user);
must($answer['code'] === 200 && $answer['data'] === true, $answer);
echo "done\n";
