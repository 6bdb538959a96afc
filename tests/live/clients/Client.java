// Java's own client, which offers HTTP/2 (h2c) on a new connection. Prints the status of each answer.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

public class Client {
  public static void main(String[] arguments) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    String[][] asks = {
      {"/predict", "a".repeat(9_000_000), "application/json"},
      {"/nosuch", "a".repeat(300_000), "application/json"},
      {"/predict", "a".repeat(300_000), "text/plain"},
      {"/predict", "{\"text\": \"Hello\"}", "application/json"},
      {"/predict", "{\"text\": \"Hello\"}", "application/json"},
    };
    for (String[] ask : asks) {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create(arguments[0] + ask[0]))
              .header("Content-Type", ask[2])
              .POST(BodyPublishers.ofString(ask[1]))
              .build();
      var answer = client.send(request, BodyHandlers.ofString());
      if (!answer.body().startsWith("{")) throw new IllegalStateException(answer.body());
      System.out.println(answer.statusCode());
    }
  }
}
