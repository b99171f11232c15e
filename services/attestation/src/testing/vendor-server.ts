import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collateralChainHeaders, collateralPaths } from '@strongroom/contract'
import { parseCertificate, parseTdxQuote, readPckExtension, toHex } from '@strongroom/evidence'
import type { Silicon } from '@strongroom/silicon'
import type { VendorEndpoints } from '../collateral/endpoints.ts'
import { boundTo, firmware, runtimeBytes } from './harness.ts'

interface Answer {
  status?: number
  body: Uint8Array | string
  headers?: Record<string, string>
}

/** A server on loopback in the form of AMD's Key Distribution Service and Intel's Provisioning Certification Service. */
export interface VendorServer {
  endpoints: VendorEndpoints
  /** Paths with queries, in order. */
  asked: string[]
  /** What it answers, by path with query; 404 elsewhere. */
  answers: Map<string, Answer>
  /** Answers every request with this status until it is undefined again. */
  fails: number | undefined
  /** Sent along with that status. */
  retryAfter?: string | undefined
  close(): Promise<void>
}

export async function startVendorServer(): Promise<VendorServer> {
  const state: Omit<VendorServer, 'endpoints' | 'close'> = { asked: [], answers: new Map(), fails: undefined }
  const server: Server = createServer((request, response) => {
    const path = request.url ?? ''
    state.asked.push(path)
    const answer = state.answers.get(path)
    const { fails, retryAfter } = state
    const wait = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
    if (fails !== undefined) response.writeHead(fails, { location: 'http://127.0.0.1:1/', ...wait }).end()
    else if (answer === undefined) response.writeHead(404).end()
    else response.writeHead(answer.status ?? 200, answer.headers).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(state, {
    endpoints: { amd: `${address}/kds`, intel: `${address}/pcs`, intelRootCrl: `${address}/root/IntelSGXRootCA.der` },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  })
}

/** Makes it serve these processors' endorsements, under the vendors' paths. */
export async function serveVendors(server: VendorServer, silicon: Silicon, fmspc: string): Promise<void> {
  const { product, hardwareId, tcb, vcek, chainPem, crl } = await silicon.amd.endorsements()
  const identity = { product, hwid: toHex(hardwareId), ...tcb }
  const { bootLoader, tee, snp, microcode } = identity
  const intel = await silicon.intel.collateral()
  const chained = (body: Uint8Array | string, header: string, pem: string): Answer => ({
    body,
    headers: { [header]: encodeURIComponent(pem) },
  })
  const { tcbInfo, qeIdentity, pckCrl } = collateralChainHeaders
  const entries: [string, Answer][] = [
    [
      `/kds${collateralPaths.snpVcek({ product, hwid: identity.hwid, bootLoader, tee, snp, microcode })}`,
      { body: vcek },
    ],
    [`/kds${collateralPaths.snpCertificateChain(product)}`, { body: chainPem }],
    [`/kds${collateralPaths.snpRevocationList(product)}`, { body: crl }],
    [`/pcs${collateralPaths.tdxTcbInfo(fmspc)}`, chained(intel.tcbInfo, tcbInfo, intel.tcbInfoIssuerChainPem)],
    [`/pcs${collateralPaths.tdxQeIdentity}`, chained(intel.qeIdentity, qeIdentity, intel.qeIdentityIssuerChainPem)],
    [
      `/pcs${collateralPaths.tdxPckRevocationList('platform')}`,
      chained(intel.pckCrl, pckCrl, intel.pckCrlIssuerChainPem),
    ],
    ['/root/IntelSGXRootCA.der', { body: intel.rootCaCrl }],
  ]
  for (const [path, answer] of entries) server.answers.set(path, answer)
}

/** Of a TD with the harness’s runtime data. */
export async function quoteOf(processor: Silicon): Promise<Uint8Array> {
  const { intel } = processor
  return await intel.quote(await (await intel.launch({ firmware: firmware() })).tdReport(boundTo(runtimeBytes)))
}

/** 12 lower-case hexadecimal digits. */
export function fmspcOf(quote: Uint8Array): string {
  const { certification } = parseTdxQuote(quote)
  if (certification.type !== 'pckChain') throw new Error('the quote has no chain')
  return toHex(readPckExtension(parseCertificate(certification.chain[0]!)).fmspc)
}
