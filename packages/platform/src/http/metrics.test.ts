import { describe, expect, it } from 'vitest'
import { createMetrics } from './metrics.ts'

describe('createMetrics', () => {
  it('counts requests by method and status', () => {
    const metrics = createMetrics()
    for (const status of [200, 200, 404]) metrics.observe({ method: 'GET', status, seconds: 0 })
    const lines = metrics.text().split('\n')
    expect(lines).toContain('strongroom_http_requests_total{method="GET",status="200"} 2')
    expect(lines).toContain('strongroom_http_requests_total{method="GET",status="404"} 1')
  })

  it('counts a duration in its bucket and in all above it, and one above all bounds under +Inf only', () => {
    const metrics = createMetrics()
    for (const seconds of [0.005, 0.25, 60]) metrics.observe({ method: 'PUT', status: 201, seconds })
    const figures = metrics
      .text()
      .split('\n')
      .filter((line) => line.startsWith('strongroom_http_request_seconds'))
    const bucket = (bound: string, count: number): string =>
      `strongroom_http_request_seconds_bucket{method="PUT",le="${bound}"} ${count}`
    expect(figures).toEqual([
      bucket('0.005', 1),
      bucket('0.02', 1),
      bucket('0.1', 1),
      bucket('0.5', 2),
      bucket('2', 2),
      bucket('10', 2),
      bucket('+Inf', 3),
      'strongroom_http_request_seconds_sum{method="PUT"} 60.255',
      'strongroom_http_request_seconds_count{method="PUT"} 3',
    ])
  })

  it('adds the figures of services, with their labels escaped as the format has it', () => {
    const text = createMetrics().text([
      {
        name: 'strongroom_test_total',
        type: 'counter',
        help: 'A test.',
        samples: [
          { labels: { a: 'x"y\\z\n', b: '' }, value: 3 },
          { labels: {}, value: -0.5 },
        ],
      },
    ])
    expect(text.split('\n').slice(-5)).toEqual([
      '# HELP strongroom_test_total A test.',
      '# TYPE strongroom_test_total counter',
      'strongroom_test_total{a="x\\"y\\\\z\\n",b=""} 3',
      'strongroom_test_total -0.5',
      '',
    ])
  })

  it('writes each line in the form that Prometheus reads, and ends with a line feed', () => {
    const metrics = createMetrics()
    metrics.observe({ method: 'M-SEARCH', status: 421, seconds: 0.1 })
    const text = metrics.text()
    expect(text.endsWith('\n')).toBe(true)
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram))|[a-z_]+(\{([a-z]+="[^"\\]*",?)+\})? [0-9.e+-]+)$/,
      )
    }
    expect(text).toMatch(/^process_resident_memory_bytes [1-9]\d{6,}$/m)
  })
})
