import java.util.List;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;

@Configuration(proxyBeanMethods = false)
@EnableAutoConfiguration
@Import(OrderNotifications.class)
public class Main {
    public static void main(String[] arguments) throws Exception {
        try (var context = SpringApplication.run(Main.class, arguments)) {
            var line = new OrderNotifications.Line("사과 3kg", 1, 39000, 501);
            context.getBean(OrderNotifications.class)
                .created(new OrderNotifications.Order(1001, "202611210000000006", List.of(line)));
        }
    }
}
