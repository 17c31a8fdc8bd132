// A client as the published page shows one: java.net.http, a method in small letters, JSON as text.
// java Published.java BASE APPKEY USER_TOKEN BACK_END_TOKEN
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Published {
    static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    static String root;

    static String call(String method, String path, String token, String body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(root + path))
            .timeout(Duration.ofSeconds(20))
            .header("Authorization", "Bearer " + token)
            .method(method, body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body));
        if (body != null) {
            request.header("Content-Type", "application/json");
        }
        HttpResponse<String> answer = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (!answer.body().startsWith("{\"code\": 200,")) {
            System.err.println(answer.statusCode() + " " + answer.body());
            System.exit(1);
        }
        return answer.body();
    }

    public static void main(String[] arguments) throws Exception {
        root = arguments[0] + "/ExternalAccount/" + arguments[1];
        String user = arguments[2], backEnd = arguments[3];
        String pair = "\"unionID\": \"java-client_1\", \"platform\": \"wechat\"";
        call("post", "", user, "{" + pair + ", \"platformName\": \"\", \"avatar\": \"\", \"data\": null}");
        String listed = call("get", "", user, null);
        Matcher found = Pattern.compile("\\{\"id\": ([0-9]+),[^}]*java-client_1[^}]*\\}").matcher(listed);
        if (!found.find()) {
            System.err.println(listed);
            System.exit(1);
        }
        call("put", "/" + found.group(1), user, found.group(0).replace("\"data\": \"\"", "\"data\": \"changed\""));
        String token = call("post", "/SignIn", backEnd, "{" + pair + ", \"twoFactorCode\": \"\"}");
        if (!token.contains("\"token_type\": \"Bearer\"")) {
            System.err.println(token);
            System.exit(1);
        }
        call("delete", "/" + found.group(1), user, null);
        System.out.println("done");
    }
}
