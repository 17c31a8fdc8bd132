// A client of the account_link API as its page shows one: java.net.http with a form or JSON as text.
// java Linking.java ADDRESS APIKEY PSID
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

public class Linking {
    static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    static String address, psid;

    static void call(String key, String kind, String body, int status, String said) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(address))
            .timeout(Duration.ofSeconds(20))
            .header("APIKEY", key)
            .POST(HttpRequest.BodyPublishers.ofString(body));
        if (kind != null) {
            request.header("Content-Type", kind);
        }
        HttpResponse<String> answer = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != status || !answer.body().contains(said) || (status == 200 && !answer.body().contains("\"request_id\": \"F4js0Za2\""))) {
            System.err.println(answer.statusCode() + " " + answer.body());
            System.exit(1);
        }
    }

    static String nested(String linking) {
        return "{\"recipient\": {\"id\": \"" + psid + "\"}, \"timestamp\": \"1409291011\", \"account_linking\": {" + linking
            + "}, \"request\": {\"method\": \"account_link\", \"id\": \"F4js0Za2\", \"meta\": \"\"}}";
    }

    public static void main(String[] arguments) throws Exception {
        address = arguments[0];
        psid = arguments[2];
        String key = arguments[1], good = "\"result\": true";
        String form = "request.method=account_link&request.id=F4js0Za2&request.meta=&recipient.id=" + psid
            + "&account_linking.username=myaccount&account_linking.email=&account_linking.status=linked&timestamp=1409291011";
        call(key, "application/x-www-form-urlencoded", form, 200, good);
        call(key, "application/json", nested("\"status\": \"linked\", \"email\": \"mike@example.com\", \"phone_number\": 18900001111"), 200, good);
        call(key, null, nested("\"status\": \"linked\", \"username\": \"\u7528\u6237\", \"email\": null"), 200, good);
        call("wrong", null, nested("\"status\": \"linked\", \"username\": \"a\""), 401, "10005");
        call(key, null, nested("\"status\": \"unlinked\""), 200, good);
        System.out.println("done");
    }
}
