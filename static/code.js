// The very event as code, in the languages that domain teams write.

const TOPIC = "BACKOFFICE-NOTIFICATIONS";

/** The key that keeps a mall's notifications in order. */
function keyOf(event) {
  const mall = event.mallNo ?? event.data?.mallNo;
  return mall ? `mall:${mall}` : (event.audience ?? "everyone").split(",")[0];
}

/** @returns {Record<string, string>} */
export function examples(event, publisher) {
  const [line, key] = [JSON.stringify(event), keyOf(event)];
  // A text of JSON is one of Java and of Python as well.
  const text = JSON.stringify(line);
  const quoted = `'${line.replaceAll("'", "'\\''")}'`;
  return {
    kcat: `echo ${quoted} |\n  kcat -P -b 127.0.0.1:9092 -t ${TOPIC} -k ${key} \\\n       -X partitioner=murmur2_random`,
    curl: `curl -X POST ${location.origin}/notifications \\\n  -H 'Authorization: Bearer ${publisher}' -H 'Content-Type: application/json' \\\n  -d ${quoted}`,
    Spring: `kafkaTemplate.send("${TOPIC}", "${key}",\n    ${text});`,
    kafkajs: `await producer.send({ topic: "${TOPIC}", acks: -1,\n  messages: [{ key: "${key}", value: JSON.stringify(${JSON.stringify(event, null, 1)}) }] });`,
    Python: `producer.produce("${TOPIC}", key="${key}",\n    value=${text})\nproducer.flush()`,
  };
}
