// Sets a gauge to -3 three times with hot-shots, to PORT.
import StatsD from "hot-shots";

const client = new StatsD({ port: Number(process.argv[2]), host: "127.0.0.1", globalTags: { env: "test" } });
for (let at = 0; at < 3; at += 1) client.gauge("hot-shots", -3);
await new Promise((resolve, reject) => client.close((error) => (error ? reject(error) : resolve())));
