import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { forwardedTo, type Forwarded } from './forwarded.ts'

const own = 'http://localhost:8644'
const ask = (url: string, headers: Record<string, string> = {}, method = 'GET'): Forwarded | undefined =>
  forwardedTo({ url, method, headers: { host: 'localhost:8644', ...headers } } as unknown as IncomingMessage)
const management = '/-/management.strongroom.internal'

describe('what the portal’s origin leads to', () => {
  it.each([
    ['/', undefined],
    ['/machines/a/b', undefined],
    [
      `${management}/subscriptions?api-version=1`,
      { host: 'management.strongroom.internal', url: '/subscriptions?api-version=1' },
    ],
    ['/-/box.vault.strongroom.internal/keys', { host: 'box.vault.strongroom.internal', url: '/keys' }],
    [
      '/-/sharedweu.weu.attest.strongroom.internal/certs',
      { host: 'sharedweu.weu.attest.strongroom.internal', url: '/certs' },
    ],
    [`${management}?a=b`, { host: 'management.strongroom.internal', url: '/?a=b' }],
  ])('leads %s to its service', (url, expected) => {
    expect(ask(url)).toEqual(expected)
  })

  it.each([
    '/-/',
    '/-/machine.strongroom.internal/x',
    '/-/keyvault.strongroom.internal/x',
    '/-/portal.strongroom.internal/x',
    '/-/management.strongroom.internal:8643/x',
    '/-/management.strongroom.internal./x',
    '/-/MANAGEMENT.strongroom.internal/x',
    '/-/evil@management.strongroom.internal/x',
    '/-/%6danagement.strongroom.internal/x',
    '/-/localhost/x',
  ])('leads %s nowhere: names that services call each other by are not a door of the portal', (url) => {
    expect(() => ask(url)).toThrow(expect.objectContaining({ code: 'NotForwarded', status: 404 }) as Error)
  })

  it.each([
    ['GET', { 'sec-fetch-site': 'cross-site' }],
    ['POST', { 'sec-fetch-site': 'same-site', origin: 'http://localhost:9999' }],
    ['POST', { 'sec-fetch-site': 'none' }],
    ['POST', { origin: 'http://localhost:9999' }],
    ['POST', { origin: 'null' }],
    ['DELETE', { origin: 'https://evil.example' }],
  ])('refuses a %s of another site’s page (%o)', (method, headers) => {
    expect(() => ask(management, headers as Record<string, string>, method)).toThrow(
      expect.objectContaining({ code: 'CrossSiteRequest', status: 403 }) as Error,
    )
  })

  it.each([
    ['POST', { 'sec-fetch-site': 'same-origin', origin: own }],
    ['POST', { origin: own }],
    ['POST', {}],
    ['GET', { 'sec-fetch-site': 'none' }],
  ])('takes a %s of the portal itself, and of programs that are not browsers (%o)', (method, headers) => {
    expect(ask(management, headers as Record<string, string>, method)?.host).toBe('management.strongroom.internal')
  })
})
