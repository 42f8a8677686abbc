// Publishes ten notifications with kafkajs, as CloudEvents in headers: `node publish_kafkajs.mjs <bootstrap> <topic>`.
// Needs the npm package kafkajs; the topic must exist.
import { Kafka, logLevel } from 'kafkajs';

const [bootstrap, topic] = process.argv.slice(2);
if (!bootstrap || !topic) {
  console.error('usage: node publish_kafkajs.mjs <bootstrap> <topic>');
  process.exit(2);
}

const notification = (n) => ({
  key: 'mall:7',
  value: JSON.stringify({ title: `알림 ${n}` }),
  headers: {
    ce_specversion: '1.0',
    ce_id: `kafkajs-${n}`,
    ce_source: '/interop/kafkajs',
    ce_type: 'notice.published',
    ce_audience: 'mall:7',
    ce_title: `알림 ${n}`,
    'content-type': 'application/json',
  },
});

const kafka = new Kafka({ clientId: 'interop', brokers: [bootstrap], logLevel: logLevel.ERROR });
const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false });
await producer.connect();
for (let n = 1; n <= 10; n += 1) await producer.send({ topic, messages: [notification(n)] });
await producer.disconnect();
console.log('kafkajs: 10 notifications published');
