// Measures COUNT times with the OpenTelemetry SDK for Node, whose exporter writes JSON, and closes.
// The environment configures it.
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";

const count = Number(process.argv[2]);
const reader = new PeriodicExportingMetricReader({
  exporter: new OTLPMetricExporter(),
  exportIntervalMillis: 3_600_000,
});
const provider = new MeterProvider({ resource: resourceFromAttributes({ "service.name": "npm" }), readers: [reader] });
const meter = provider.getMeter("test");
const hits = meter.createCounter("npm.hits");
const took = meter.createHistogram("npm.took", { unit: "ms" });
const carts = meter.createUpDownCounter("npm.carts");
for (let round = 0; round < 3; round += 1) {
  for (let at = 0; at < count; at += 1) {
    hits.add(2, { page: `/${at % 3}` });
    took.record((at % 10) + 0.5);
  }
  carts.add(-1.5);
  await provider.forceFlush();
}
meter.createGauge("npm.depth").record(12);
await provider.shutdown();
