// What becomes of a row of the outbox in Debezium: its own event router and the converters of Kafka Connect, with the
// settings in a file: `java -cp 'libs/*' Route.java <properties> <message key> <event>`. Says topic, key and value, a line each.
import io.debezium.transforms.outbox.EventRouter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;

public class Route {
    public static void main(String[] arguments) throws Exception {
        var settings = new Properties();
        try (var file = Files.newBufferedReader(Path.of(arguments[0]))) {
            settings.load(file);
        }
        try (var router = new EventRouter<SourceRecord>()) {
            router.configure(below(settings, "transforms.outbox."));
            var routed = router.apply(change("c", arguments[1], arguments[2]));
            System.out.println(routed.topic());
            System.out.println(bytes(settings, "key", routed.topic(), new SchemaAndValue(routed.keySchema(), routed.key())));
            System.out.println(bytes(settings, "value", routed.topic(), new SchemaAndValue(routed.valueSchema(), routed.value())));
            if (router.apply(change("d", arguments[1], arguments[2])) != null) throw new AssertionError("a delete was routed");
        }
    }

    /** An insert or a delete as Debezium's connector for PostgreSQL tells it. */
    static SourceRecord change(String operation, String key, String event) {
        var columns = SchemaBuilder.struct().name("shop.public.outbox.Value").optional()
            .field("id", Schema.INT64_SCHEMA)
            .field("message_key", Schema.STRING_SCHEMA)
            .field("event", SchemaBuilder.string().name("io.debezium.data.Json").version(1).build())
            .build();
        var envelope = SchemaBuilder.struct().name("shop.public.outbox.Envelope")
            .field("before", columns).field("after", columns)
            .field("op", Schema.STRING_SCHEMA).field("ts_ms", Schema.OPTIONAL_INT64_SCHEMA)
            .build();
        var row = new Struct(columns).put("id", 7L).put("message_key", key).put("event", event);
        var change = new Struct(envelope).put(operation.equals("d") ? "before" : "after", row).put("op", operation).put("ts_ms", 1L);
        return new SourceRecord(Map.of(), Map.of(), "shop.public.outbox", null, null, envelope, change);
    }

    static String bytes(Properties settings, String which, String topic, SchemaAndValue said) throws Exception {
        var name = settings.getProperty(which + ".converter");
        var converter = (Converter) Class.forName(name).getDeclaredConstructor().newInstance();
        converter.configure(below(settings, which + ".converter."), which.equals("key"));
        return new String(converter.fromConnectData(topic, said.schema(), said.value()), StandardCharsets.UTF_8);
    }

    static Map<String, String> below(Properties settings, String prefix) {
        var found = new HashMap<String, String>();
        for (var name : settings.stringPropertyNames()) {
            if (name.startsWith(prefix)) found.put(name.substring(prefix.length()), settings.getProperty(name));
        }
        return found;
    }
}
