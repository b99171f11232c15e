import * as nodeCrypto from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  nodePrimitives,
  parseCertificate,
  parseSnpReport,
  parseTdxQuote,
  VerificationCache,
  verifySnp,
  verifyTdx,
  webPrimitives,
  type Primitives,
  type TrustAnchors,
} from '@strongroom/evidence'
import { createSilicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { issueCrl } from '../../packages/silicon/src/pki/crl-writer.ts'
import { loadOrCreateKey } from '../../packages/silicon/src/pki/keys.ts'
import { snpCases, tdxCases, anchors as genuine } from './corpus.ts'

const at = new Date('2026-06-01T12:00:00Z')
const shortNames: Record<string, 'CN' | 'O' | 'OU' | 'L' | 'ST' | 'C'> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
}
const late = new Date('2200-01-01T00:00:00Z')

/** Primitives that count the signatures verified. */
function counting(): Primitives & { verified: () => number } {
  const inner = nodePrimitives(nodeCrypto)
  let verified = 0
  return {
    verify: (check) => {
      verified++
      return inner.verify(check)
    },
    digest: inner.digest.bind(inner),
    verified: () => verified,
  }
}

async function bench(): Promise<{
  anchors: TrustAnchors
  report: Uint8Array
  chain: { vcek: Uint8Array; ask: Uint8Array; ark: Uint8Array }
  crl: Uint8Array
  keys: ReturnType<typeof memoryKeyStore>
}> {
  const keys = memoryKeyStore()
  const silicon = await createSilicon({ keys, clock: settableClock(at) })
  const guest = await silicon.amd.launch({ firmware: tinyFirmware(), vCPUs: 1, vcpuType: 'EPYC-Milan' })
  const { vcek, ask, ark, crl } = await silicon.amd.endorsements()
  return {
    anchors: silicon.anchors,
    report: await guest.report(new Uint8Array(64)),
    chain: { vcek, ask, ark },
    crl,
    keys,
  }
}

describe('a verification cache', () => {
  it('leaves one signature of a second SNP report, and two of a second TD quote', async () => {
    for (const [cases, first, second] of [
      [snpCases().slice(0, 1), 4, 1],
      [
        tdxCases()
          .filter(({ collateral }) => collateral !== undefined)
          .slice(0, 1),
        10,
        2,
      ],
    ] as const) {
      for (const one of cases) {
        const primitives = counting()
        const context = { primitives, cache: new VerificationCache(), anchors: genuine, at: one.at }
        const verify = async (): Promise<unknown> =>
          'report' in one
            ? verifySnp({ report: parseSnpReport(one.report), chain: one.chain, ...context })
            : verifyTdx({ quote: parseTdxQuote(one.quote), collateral: one.collateral!, ...context })
        await verify()
        expect(primitives.verified()).toBe(first)
        await verify()
        expect(primitives.verified()).toBe(first + second)
      }
    }
  })

  it('outlives neither certificates nor lists, and carries no trust to other anchors', async () => {
    const { anchors, report, chain, crl } = await bench()
    const cache = new VerificationCache()
    const verify = (change: object): Promise<unknown> =>
      verifySnp({ report: parseSnpReport(report), chain, crl, anchors, at, cache, ...change })
    await verify({})
    await expect(verify({ at: late })).rejects.toMatchObject({ code: expect.stringMatching(/Expired$/) })
    await expect(verify({ at: new Date('2000-01-01T00:00:00Z') })).rejects.toMatchObject({
      code: 'CertificateNotYetValid',
    })
    await expect(verify({ anchors: { ...anchors, amd: genuine.amd } })).rejects.toMatchObject({ code: 'UntrustedRoot' })
    await expect(verify({ anchors: { ...anchors, amd: [] } })).rejects.toMatchObject({ code: 'NoTrustAnchors' })
    await verify({})
  })

  it('takes a later list into account at once', async () => {
    const { anchors, report, chain, crl, keys } = await bench()
    const cache = new VerificationCache()
    const verify = (list: Uint8Array): Promise<unknown> =>
      verifySnp({ report: parseSnpReport(report), chain, crl: list, anchors, at, cache })
    await verify(crl)
    const ark = parseCertificate(chain.ark)
    const signerName = keys.names().find((name) => name.includes('ark')) ?? ''
    const later = await issueCrl({
      issuer: ark.subject.attributes.map(({ type, value }) => [shortNames[type] ?? 'CN', value] as const),
      signer: await loadOrCreateKey(keys, signerName, 'rsa-pss-sha384'),
      number: 99n,
      thisUpdate: new Date(at.getTime() - 1000),
      nextUpdate: new Date(at.getTime() + 86_400_000),
      revoked: [{ serialNumber: BigInt(`0x${parseCertificate(chain.ask).serialNumber}`), date: at }],
    })
    await expect(verify(later)).rejects.toMatchObject({ code: 'CertificateRevoked' })
    await verify(crl)
  })

  it('knows nothing of bytes that change after they were verified', async () => {
    const { anchors, report, chain } = await bench()
    const cache = new VerificationCache()
    const own = { vcek: Uint8Array.from(chain.vcek), ask: Uint8Array.from(chain.ask), ark: Uint8Array.from(chain.ark) }
    const verify = (): Promise<unknown> => verifySnp({ report: parseSnpReport(report), chain: own, anchors, at, cache })
    await verify()
    for (const bytes of [own.vcek, own.ask, own.ark]) {
      for (const offset of [20, bytes.length >> 1, bytes.length - 1]) {
        bytes[offset] = (bytes[offset] ?? 0) ^ 1
        await expect(verify()).rejects.toMatchObject({ name: expect.stringMatching(/^(Parse|Verification)Error$/) })
        bytes[offset] = (bytes[offset] ?? 0) ^ 1
      }
    }
    await verify()
  })

  it('hands out nothing through which it could be changed', async () => {
    const { anchors, report, chain } = await bench()
    const cache = new VerificationCache()
    const verify = () => verifySnp({ report: parseSnpReport(report), chain, anchors, at, cache })
    const first = await verify()
    first.endorsement.hardwareId?.fill(0)
    first.endorsement.tcb.snp = 255
    await verify()
  })

  it('keeps within its bounds, and with none it keeps nothing', async () => {
    const cache = new VerificationCache({ maximumEntries: 2, maximumBytes: 3000 })
    for (const { report, chain, at: time } of snpCases()) {
      await verifySnp({ report: parseSnpReport(report), chain, anchors: genuine, at: time, cache })
      expect(cache.entries).toBeLessThanOrEqual(2)
      expect(cache.bytes).toBeLessThanOrEqual(3000)
    }
    expect(cache.entries).toBeGreaterThan(0)
    cache.clear()
    expect([cache.entries, cache.bytes]).toEqual([0, 0])
    const primitives = counting()
    const none = new VerificationCache({ maximumEntries: 0 })
    const [one] = snpCases()
    for (let index = 0; index < 2; index++) {
      await verifySnp({
        report: parseSnpReport(one!.report),
        chain: one!.chain,
        anchors: genuine,
        at: one!.at,
        cache: none,
        primitives,
      })
    }
    expect([none.entries, primitives.verified()]).toEqual([0, 8])
    for (const limits of [{ maximumEntries: -1 }, { maximumBytes: Number.NaN }, { maximumEntries: 1.5 }]) {
      expect(() => new VerificationCache(limits)).toThrow(expect.objectContaining({ code: 'InvalidValue' }))
    }
  })

  it('finds two inputs with one ending apart', () => {
    const cache = new VerificationCache()
    const [left, right] = [new Uint8Array(200).fill(1), new Uint8Array(200).fill(1)]
    right[0] = 2
    const value = (bytes: Uint8Array): number => cache.parsed('test', bytes, (copy) => ({ first: copy[0] ?? 0 })).first
    expect([value(left), value(right), value(left), value(right)]).toEqual([1, 2, 1, 2])
  })
})

describe('node:crypto and WebCrypto', () => {
  it('agree on good and altered signatures of every kind that evidence has', async () => {
    const primitives = nodePrimitives(nodeCrypto)
    const collected: Parameters<Primitives['verify']>[0][] = []
    const recording: Primitives = {
      verify: (check) => {
        collected.push(check)
        return primitives.verify(check)
      },
      digest: primitives.digest.bind(primitives),
    }
    for (const { report, chain, at: time } of snpCases().slice(0, 2)) {
      await verifySnp({ report: parseSnpReport(report), chain, anchors: genuine, at: time, primitives: recording })
    }
    const tdx = tdxCases().find(({ collateral }) => collateral !== undefined)!
    await verifyTdx({
      quote: parseTdxQuote(tdx.quote),
      collateral: tdx.collateral!,
      anchors: genuine,
      at: tdx.at,
      primitives: recording,
    })
    expect(collected.length).toBeGreaterThanOrEqual(14)
    for (const check of collected) {
      const size = check.signature.length
      const variants = [
        check.signature,
        ...[0, size >> 1, size - 1].map((offset) => check.signature.with(offset, (check.signature[offset] ?? 0) ^ 1)),
        new Uint8Array(size),
        new Uint8Array(size).fill(0xff),
        check.signature.subarray(1),
      ]
      for (const signature of variants) {
        const altered = { ...check, signature }
        expect(await primitives.verify(altered)).toBe(await webPrimitives.verify(altered))
      }
    }
  })

  it('refuse points off the curve and say that they are not keys', async () => {
    const spki = Buffer.from(`3059301306072a8648ce3d020106082a8648ce3d030107034200${`04${'11'.repeat(64)}`}`, 'hex')
    const key = { kind: 'EC' as const, spki, curve: 'P-256' as const, point: spki.subarray(-65) }
    const check = {
      key,
      algorithm: { kind: 'ECDSA' as const, hash: 'SHA-256' as const },
      signature: new Uint8Array(64).fill(1),
      data: new Uint8Array(3),
    }
    for (const primitives of [webPrimitives, nodePrimitives(nodeCrypto)]) {
      await expect((async () => primitives.verify(check))()).rejects.toMatchObject({ code: 'AlgorithmNotAllowed' })
    }
  })
})
