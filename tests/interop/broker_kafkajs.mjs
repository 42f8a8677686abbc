// Writes records with kafkajs and reads them back, alone and as a group: `node broker_kafkajs.mjs <bootstrap> <topic>`.
// Needs the npm package kafkajs. Ends with 0 when everything came back as it was.
import assert from 'node:assert/strict';
import { Kafka, logLevel } from 'kafkajs';

const [bootstrap, topic] = process.argv.slice(2);
if (!bootstrap || !topic) {
  console.error('usage: node broker_kafkajs.mjs <bootstrap> <topic>');
  process.exit(2);
}

const DEADLINE_MS = 60_000;
const deadline = setTimeout(() => fail(new Error(`not done within ${DEADLINE_MS} ms`)), DEADLINE_MS);
const fail = (error) => {
  console.error(error);
  process.exit(1);
};

const run = `kafkajs-${process.pid}-${Date.now()}`;
const records = Array.from({ length: 20 }, (_, n) => ({
  key: `mall:${n % 3}`,
  value: n === 7 ? null : `값 ${n}`,
  headers: { run, n: String(n) },
}));

const kafka = new Kafka({ clientId: 'interop', brokers: [bootstrap], logLevel: logLevel.ERROR });

/** Joins a group and reads until every record of this run has come. */
async function readAll(groupId, fromBeginning) {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 500 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning });
  const seen = [];
  await new Promise((done, broken) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => broken(payload.error));
    consumer.run({
      eachMessage: async ({ message }) => {
        if (message.headers.run?.toString() !== run) return;
        seen.push(message);
      },
    });
    // Not with the last record: it is committed only after it.
    consumer.on(consumer.events.COMMIT_OFFSETS, () => seen.length === records.length && done());
  });
  await consumer.disconnect();
  return seen;
}

try {
  const admin = kafka.admin();
  await admin.connect();
  if (!(await admin.listTopics()).includes(topic)) {
    await admin.createTopics({ topics: [{ topic, numPartitions: 3 }], waitForLeaders: true });
  }

  const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false });
  await producer.connect();
  await producer.send({ topic, messages: records });
  await producer.disconnect();

  const groupId = `${run}-group`;
  const seen = await readAll(groupId, true);
  seen.sort((a, b) => Number(a.headers.n) - Number(b.headers.n));
  seen.forEach((message, n) => {
    assert.equal(message.key.toString(), records[n].key);
    assert.equal(message.value === null ? null : message.value.toString(), records[n].value);
    assert.equal(message.headers.n.toString(), String(n));
  });

  const ends = await admin.fetchTopicOffsets(topic);
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
  for (const { partition, offset } of partitions) {
    const end = ends.find((one) => one.partition === partition).high;
    assert.ok(offset === end || (offset === '-1' && end === '0'), `partition ${partition}: ${offset}, end ${end}`);
  }
  const { groups } = await admin.describeGroups([groupId]);
  assert.equal(groups[0].errorCode, 0);
  await admin.deleteGroups([groupId]);
  await admin.disconnect();
  clearTimeout(deadline);
  console.log(`kafkajs: ${seen.length} records written and read back`);
} catch (error) {
  fail(error);
}
