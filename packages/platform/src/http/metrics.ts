import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'

export interface Metrics {
  contentType: string
  text(): Promise<string>
  observe(o: { method: string; status: number; seconds: number }): void
}

/** Figures of one server in Prometheus's text format. Labels have few values each: no paths, no names. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const requests = new Counter({
    name: 'strongroom_http_requests_total',
    help: 'Requests answered on the TLS listener.',
    labelNames: ['method', 'status'],
    registers: [registry],
  })
  const durations = new Histogram({
    name: 'strongroom_http_request_seconds',
    help: 'Time from the request line to the end of the answer.',
    labelNames: ['method'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  })
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    observe: ({ method, status, seconds }) => {
      requests.inc({ method, status: String(status) })
      durations.observe({ method }, seconds)
    },
  }
}
