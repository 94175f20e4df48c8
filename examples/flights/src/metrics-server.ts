import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { ProcessMetrics } from './messages.js';

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

interface Metrics {
  /** Of this process, with the metrics of the fleet. */
  readonly register: Registry;
  /** Of the other processes, as they reported them last. */
  readonly others: () => readonly ProcessMetrics[];
}

/** Serves the metrics of all processes, added up, on /metrics of a loopback port; 0 takes a free one. */
export async function serveMetrics(metrics: Metrics, port: number): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.url === '/metrics') void answer(metrics, response);
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('See /metrics\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`--metrics-port ${port}: ${error.message}`)));
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer({ register, others }: Metrics, response: ServerResponse): Promise<void> {
  try {
    const all = AggregatorRegistry.aggregate([await register.getMetricsAsJSON(), ...others()]);
    response.writeHead(200, { 'content-type': register.contentType }).end(await all.metrics());
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`);
  }
}
