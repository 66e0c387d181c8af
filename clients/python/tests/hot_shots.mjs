// Writes COUNT times with hot-shots, a statsd client for Node, to PORT by PROTOCOL, and closes.
import StatsD from "hot-shots";

const [port, protocol, count] = process.argv.slice(2);
const client = new StatsD({
  port: Number(port),
  protocol,
  host: "127.0.0.1",
  maxBufferSize: protocol === "udp" ? 1000 : 4000,
  globalTags: { env: "test" },
  errorHandler: (error) => {
    throw error;
  },
});
for (let at = 0; at < Number(count); at += 1) {
  client.increment("npm.hits", 2, { page: `/${at % 3}` });
  client.timing("npm.took", at % 10);
  // Datagrams leave only when the event loop runs.
  if (at % 500 === 499) await new Promise((resolve) => setImmediate(resolve));
}
client.decrement("npm.hits", 1, { page: "/0" });
client.gauge("npm.depth", 12);
client.gaugeDelta("npm.depth", -5);
client.set("npm.users", "ann");
client.set("npm.users", "bob");
client.histogram("npm.size", 7, ["kind:a", "b"]);
client.distribution("npm.share", 0.5);
await new Promise((resolve, reject) => client.close((error) => (error ? reject(error) : resolve())));
