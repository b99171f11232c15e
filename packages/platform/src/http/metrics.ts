import { performance } from 'node:perf_hooks'

/** A metric of a service's own. */
export interface Figure {
  /** Prometheus's form, with its unit last. */
  name: string
  type: 'counter' | 'gauge'
  help: string
  samples: { labels: Readonly<Record<string, string>>; value: number }[]
}

export interface Metrics {
  contentType: string
  /** @param further of services */
  text(further?: readonly Figure[]): string
  observe(o: { method: string; status: number; seconds: number }): void
}

/** Upper bounds in seconds. */
const buckets = [0.005, 0.02, 0.1, 0.5, 2, 10]

interface Durations {
  /** Requests by their smallest fitting bound; the last entry is for those above all bounds. */
  counts: number[]
  sum: number
}

/**
 * One server's metrics in Prometheus's text format, version 0.0.4. Labels of requests have few values each: no paths, no names.
 * Written here, because a client library would add a tenth to the server's start for these few lines.
 */
export function createMetrics(): Metrics {
  const requests = new Map<string, number>()
  const durations = new Map<string, Durations>()
  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    text: (further = []) =>
      [
        ...processFigures(),
        ...requestFigures(requests),
        ...durationFigures(durations),
        ...further.flatMap(linesOf),
        '',
      ].join('\n'),
    observe: ({ method, status, seconds }) => {
      // Node's parser accepts a few dozen methods and nothing else.
      const labels = `method="${method}",status="${status}"`
      requests.set(labels, (requests.get(labels) ?? 0) + 1)
      const kept = durations.get(method) ?? { counts: Array.from({ length: buckets.length + 1 }, () => 0), sum: 0 }
      durations.set(method, kept)
      const fitting = buckets.findIndex((bound) => seconds <= bound)
      const index = fitting === -1 ? buckets.length : fitting
      kept.counts[index] = (kept.counts[index] ?? 0) + 1
      kept.sum += seconds
    },
  }
}

function head(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
}

const linesOf = ({ name, type, help, samples }: Figure): string[] => [
  ...head(name, type, help),
  ...samples.map(({ labels, value }) => `${name}${labelsOf(labels)} ${value}`),
]

function labelsOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

/** As the text format has label values. */
const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

/** Names as in Prometheus's client libraries. */
function processFigures(): string[] {
  const { user, system } = process.cpuUsage()
  const memory = process.memoryUsage()
  const figure = (name: string, type: 'counter' | 'gauge', help: string, value: number): string[] => [
    ...head(name, type, help),
    `${name} ${value}`,
  ]
  return [
    ...figure('process_cpu_seconds_total', 'counter', 'Processor time, user and system.', (user + system) / 1e6),
    ...figure('process_resident_memory_bytes', 'gauge', 'Resident memory.', memory.rss),
    ...figure('process_start_time_seconds', 'gauge', 'Start of the process.', performance.timeOrigin / 1000),
    ...figure('nodejs_heap_size_used_bytes', 'gauge', 'JavaScript heap in use.', memory.heapUsed),
    ...figure('nodejs_external_memory_bytes', 'gauge', 'Memory outside of the JavaScript heap.', memory.external),
    ...figure(
      'nodejs_eventloop_utilization',
      'gauge',
      'Share of the time since the start in which the event loop was busy, 0 to 1.',
      performance.eventLoopUtilization().utilization,
    ),
  ]
}

function requestFigures(requests: ReadonlyMap<string, number>): string[] {
  const name = 'strongroom_http_requests_total'
  return [
    ...head(name, 'counter', 'Requests answered on the TLS listener.'),
    ...Array.from(requests, ([labels, count]) => `${name}{${labels}} ${count}`),
  ]
}

function durationFigures(durations: ReadonlyMap<string, Durations>): string[] {
  const name = 'strongroom_http_request_seconds'
  const lines = head(name, 'histogram', 'Time from the request line to the end of the answer.')
  for (const [method, { counts, sum }] of durations) {
    let upTo = 0
    for (const [index, count] of counts.entries()) {
      upTo += count
      lines.push(`${name}_bucket{method="${method}",le="${buckets[index] ?? '+Inf'}"} ${upTo}`)
    }
    lines.push(`${name}_sum{method="${method}"} ${sum}`, `${name}_count{method="${method}"} ${upTo}`)
  }
  return lines
}
