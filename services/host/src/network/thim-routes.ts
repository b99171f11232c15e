import { randomUUID, X509Certificate } from 'node:crypto'
import type { InstanceSpec } from '@strongroom/contract'
import { ServiceError, type FastifyInstance } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { requireVersion } from './metadata/metadata-versions.ts'

const syncVersion = '2023-07-01'
const asyncVersion = '2021-12-01'
const certificateLimit = 16

/** `/metadata/THIM` (trusted hardware identity): endorsements of the processor, and renewal of the AK's certificate. */
export function thimRoutes(
  scope: FastifyInstance,
  o: { spec: InstanceSpec; silicon: Silicon; akSpki: Uint8Array; renewAkCertificate(): Promise<string> },
): void {
  scope.get('/amd/certification', async () => {
    if (o.spec.tee !== 'SNP') throw notThisProcessor('AMD SEV-SNP', o.spec)
    const { vcekPem, chainPem, tcbm } = await o.silicon.amd.endorsements()
    return { vcekCert: vcekPem, tcbm, cacheControl: '86400', certificateChain: chainPem }
  })
  renewalRoutes(scope, o)
}

/** `/acc/tdquote`: a quote over a TDREPORT, which only the host's quoting enclave can create. */
export function quoteRoutes(scope: FastifyInstance, o: { spec: InstanceSpec; silicon: Silicon }): void {
  scope.post('/tdquote', async (request) => {
    if (o.spec.tee !== 'TDX') throw notThisProcessor('Intel TDX', o.spec)
    const body = jsonBody(request.body)
    const report = readReport(body['report'] ?? body['Report'])
    let quote: Uint8Array
    try {
      quote = await o.silicon.intel.quote(report)
    } catch (cause) {
      throw new ServiceError({
        code: 'BadRequest',
        message: 'The report is not a TDREPORT from this host, so it is not quoted.',
        target: 'report',
        remedy: 'Send the first 1024 bytes of the hardware report in NV 0x01400001.',
        cause,
      })
    }
    const text = Buffer.from(quote).toString('base64url')
    // Clients differ in the name's case.
    return { quote: text, Quote: text }
  })
}

function renewalRoutes(
  scope: FastifyInstance,
  o: { spec: InstanceSpec; akSpki: Uint8Array; renewAkCertificate(): Promise<string> },
): void {
  /** Certificates requested but not fetched yet; the oldest is dropped first. */
  const waiting = new Map<string, string>()
  scope.post('/tvm/certificate/renew', async (request, reply) => {
    const version = requireVersion(request.query, [syncVersion, asyncVersion])
    requireOwnVm(request.query, o.spec)
    requireOwnKey(asText(request.body), o.akSpki)
    const pem = await o.renewAkCertificate()
    const id = randomUUID()
    if (version === syncVersion) return { AkCertPem: pem, CertQueryId: id }
    waiting.set(id, pem)
    if (waiting.size > certificateLimit) waiting.delete(waiting.keys().next().value!)
    return await reply.type('text/plain; charset=utf-8').send(id)
  })
  scope.get<{ Querystring: { guid?: unknown } }>('/tvm/certificate/query', async (request, reply) => {
    requireVersion(request.query, [asyncVersion])
    requireOwnVm(request.query, o.spec)
    const pem = waiting.get(asText(request.query.guid))
    if (pem === undefined) throw new ServiceError({ code: 'NotFound', message: 'Not found' })
    return await reply.type('text/plain; charset=utf-8').send(pem)
  })
}

/** Absent and repeated values are not text. */
const asText = (value: unknown): string => (typeof value === 'string' ? value : '')

function requireOwnVm(query: unknown, spec: InstanceSpec): void {
  const { vmId } = query as { vmId?: unknown }
  if (typeof vmId === 'string' && vmId.toLowerCase() === spec.vmId.toLowerCase()) return
  throw new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. vmId is not the id of this virtual machine.',
    target: 'vmId',
    expected: spec.vmId.toLowerCase(),
    remedy: 'Read it at /metadata/instance/compute/vmId.',
  })
}

/**
 * The body is the certificate in PEM, percent-encoded, as Azure's client reads it from the vTPM: on one line, with the
 * index's zero padding. The new one is always for this vTPM's key, whatever the body contains.
 */
function requireOwnKey(body: string, akSpki: Uint8Array): void {
  let key: Buffer | undefined
  try {
    const pem = body.includes('%') ? decodeURIComponent(body) : body
    const [, text = ''] = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(pem) ?? []
    const bytes = Buffer.from(text, 'base64')
    const certificate = new X509Certificate(bytes.subarray(0, 4 + bytes.readUInt16BE(2)))
    key = certificate.publicKey.export({ type: 'spki', format: 'der' })
  } catch {
    // Answered below: it is not a certificate of this key.
  }
  if (key !== undefined && key.equals(akSpki)) return
  throw new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. The body is not the certificate of the attestation key of this virtual machine.',
    target: 'body',
    expected: 'the certificate of the key at 0x81000003, PEM, percent-encoded',
    remedy: 'Read the certificate from NV 0x01C101D0.',
  })
}

function jsonBody(body: unknown): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(asText(body))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Answered below.
  }
  throw invalidReport()
}

/** 1024 bytes in base64 or base64url, padded or not. */
function readReport(value: unknown): Uint8Array {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) throw invalidReport()
  const bytes = Buffer.from(value.replaceAll('-', '+').replaceAll('_', '/'), 'base64')
  if (bytes.length !== 1024) throw invalidReport()
  return Uint8Array.from(bytes)
}

const invalidReport = (): ServiceError =>
  new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. The body is not {"report": "<base64url of the 1024 bytes of a TDREPORT>"}.',
    target: 'report',
  })

function notThisProcessor(wanted: string, spec: InstanceSpec): ServiceError {
  return new ServiceError({
    code: 'NotFound',
    message: `This virtual machine does not run on ${wanted}.`,
    expected: wanted,
    found: spec.tee,
    remedy: `Its size ${spec.size.name} is for ${spec.tee === 'SNP' ? 'AMD SEV-SNP' : 'Intel TDX'}.`,
  })
}
