// Publishes ten notifications with Kafka's own Java client, as structured CloudEvents, with the settings it has when
// nobody says anything: `java -cp 'target/kafka/libs/*' Publish.java <bootstrap> <topic>`. The topic must exist.
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

public class Publish {
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 2) {
            System.err.println("usage: java Publish.java <bootstrap> <topic>");
            System.exit(2);
        }
        var settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int n = 1; n <= 10; n++) {
                var event = """
                    {"specversion": "1.0", "id": "java-%d", "source": "/interop/java", "type": "notice.published",
                     "audience": "mall:7", "data": {}, "title": "알림 %d"}""".formatted(n, n);
                producer.send(new ProducerRecord<>(arguments[1], "mall:7", event)).get();
            }
        }
        System.out.println("java: 10 notifications published");
    }
}
