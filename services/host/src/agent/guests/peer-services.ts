import { createHash } from 'node:crypto'
import type { AttestedDocument, CarriedCertificate, CarriedKey, CarriedSilicon, Tee } from '@strongroom/contract'
import { parseJws } from '@strongroom/evidence'
import { bootRegisters, parseImageMeasurements } from '@strongroom/evidence/expected'
import type { InstallationAuthority, TokenSource, WireClient, WireResponse } from '@strongroom/platform'
import type { AmdEndorsements, TdxPlatform } from '@strongroom/silicon'
import { decodeBytes } from '../../home/bytes.ts'
import type { HostServices } from '../../instances/services.ts'
import type { AttestedDocuments } from '../../network/attested-document.ts'
import type { DistantSilicon, HardwareReport, LaunchedVm } from '@strongroom/paravisor'
import type { VmPeer } from './vm-peer.ts'

/** Services of the installation: the control plane calls them for the peer's VM. */
export const peerWire = (peer: VmPeer): WireClient => ({
  request: async <T>(o: Parameters<WireClient['request']>[0]) => {
    const { method, url, body, timeoutMs } = o
    const asked = { method, url, ...(body !== undefined && { body }) }
    const answer = await peer.post<{ body: T }>('/call', asked, timeoutMs)
    return { status: 200, headers: {}, body: answer.body } satisfies WireResponse<T>
  },
  close: () => {},
})

/** A host has no token: the control plane makes its privileged requests. */
export const noTokens: TokenSource = { token: async () => await Promise.resolve('') }

const usages: Record<string, CarriedKey['usage']> = {
  digitalSignature: 'attestationKey',
  keyEncipherment: 'endorsementKey',
}

export const peerAuthority = (peer: VmPeer, caPem: string): InstallationAuthority => ({
  caPem,
  caPath: '',
  serverCredentials: async () => await Promise.resolve(undefined),
  issueCertificate: async ({ usages: [first = ''], publicKey }) => {
    const usage = usages[first]
    if (usage === undefined || !(publicKey instanceof Uint8Array)) throw new TypeError('not a VM’s key')
    const key = Buffer.from(publicKey).toString('base64')
    return (await peer.post<CarriedCertificate>('/certify', { usage, publicKey: key })).certificate
  },
})

/** Signed by the server, about the VM as the server knows it. */
export const peerDocuments = (peer: VmPeer): AttestedDocuments => ({
  document: async ({ nonce }) =>
    await peer.post<AttestedDocument>('/document', { ...(nonce !== undefined && { nonce }) }),
})

export const peerMeasurements = (peer: VmPeer): HostServices['measurements'] => ({
  predicting: async (image, { registers, secureBoot }) => {
    const hex = Object.fromEntries(bootRegisters.map((index) => [index, Buffer.from(registers[index]).toString('hex')]))
    const boot = { registers: hex, secureBoot }
    return (await peer.post<{ jws?: string }>('/measurements', { image: image.id, boot })).jws
  },
  // By the server's word, over a connection to nobody else: the key that signs is the server's.
  of: async (image) => {
    const { jws = '' } = await peer.post<{ jws?: string }>('/measurements', { image: image.id })
    return parseImageMeasurements(parseJws(jws).payload)
  },
})

/** The installation's simulated processors. Their keys are on no host, and they report only on the host's own VMs. */
export function peerSilicon(peer: VmPeer, anchors: DistantSilicon['anchors']): DistantSilicon {
  const ask = async <T>(o: Omit<CarriedSilicon, 'vmId' | 'epoch'>): Promise<T> =>
    decodeBytes(await peer.post('/silicon', o)) as T
  const elsewhere = async (): Promise<never> => await Promise.reject(new TypeError('launched on another host'))
  return {
    anchors,
    launch: async ({ tee, firmware, vCPUs }) => await launch(ask, { tee, firmware, vCPUs }),
    amd: { launch: elsewhere, endorsements: async () => await ask<AmdEndorsements>({ ask: 'endorsements' }) },
    intel: {
      anchor: { name: '', spkiSha256: '' },
      launch: elsewhere,
      quote: async (report) => (await ask<{ quote: Uint8Array }>({ ask: 'quote', report: base64(report) })).quote,
      collateral: async () => await ask<Awaited<ReturnType<TdxPlatform['collateral']>>>({ ask: 'collateral' }),
      earlyTcbInfo: async () => (await ask<{ text: string }>({ ask: 'earlyTcbInfo' })).text,
    },
  }
}

interface MadeReport {
  bytes: Uint8Array
  evidence: Awaited<ReturnType<HardwareReport['evidence']>>
  request: Awaited<ReturnType<HardwareReport['request']>>
}

async function launch(
  ask: <T>(o: Omit<CarriedSilicon, 'vmId' | 'epoch'>) => Promise<T>,
  o: { tee: Tee; firmware: Uint8Array; vCPUs: number },
): Promise<LaunchedVm> {
  const { tee, vCPUs } = o
  const firmware = createHash('sha256').update(o.firmware).digest('hex')
  const { launch: id, measurement } = await ask<{ launch: string; measurement: string }>({
    ask: 'launch',
    tee,
    vCPUs,
    firmware,
  })
  return {
    tee,
    measurement,
    report: async (claims) => {
      const made = await ask<MadeReport>({ ask: 'report', launch: id, claims: base64(claims) })
      return {
        bytes: made.bytes,
        evidence: async () => await Promise.resolve(made.evidence),
        request: async () => await Promise.resolve(made.request),
      }
    },
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
