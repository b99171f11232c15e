import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digest, toHex } from '@strongroom/evidence'
import { buildSnpIdBlock, snpKeyDigest, snpOwnerKey } from '@strongroom/evidence/expected'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CliError } from '../../apps/cli/src/core/cli-error.ts'
import { AmdAuthority, at, pemOf } from '../forged/support/amd-authority.ts'
import { verifyFiles, type Files } from './support/verify-files.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 240_000
const now = new Date()

describe('options of evidence verify that are members of the policy', { timeout: making }, () => {
  let folder: string
  let files: Files
  let pem: string
  const [measurement, data, hostData] = [48, 64, 32].map((length) => new Uint8Array(length).fill(length)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'options-'))
    const amd = await AmdAuthority.open()
    const curve = { name: 'ECDSA', namedCurve: 'P-384' }
    const { publicKey } = await crypto.subtle.generateKey(curve, true, ['sign', 'verify'])
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
    pem = `-----BEGIN PUBLIC KEY-----\n${Buffer.from(spki).toString('base64')}\n-----END PUBLIC KEY-----\n`
    const keyDigest = await snpKeyDigest(snpOwnerKey(spki))
    const report = await amd.report((raw) => {
      raw.set(measurement, at.measurement)
      raw.set(data, at.reportData)
      raw.set(hostData, 0xc0)
      raw.set(keyDigest, 0xe0)
    })
    files = { 'report.bin': report, 'chain.pem': pemOf(await amd.chain()) }
    await writeFile(join(folder, 'anchors.json'), JSON.stringify(amd.anchors))
  }, making)
  afterAll(async () => rm(folder, { recursive: true }))
  afterEach(() => (process.exitCode = 0))

  const verify = async (options: Record<string, string>, policy?: object): Promise<[number, string]> => {
    const more: Record<string, string> = policy === undefined ? {} : { policy: await put('policy.json', policy) }
    try {
      const [exit, code] = await verifyFiles({ folder, at: now }, files, { ...more, ...options })
      return [exit, code]
    } catch (error) {
      const { exitCode, code } = error as CliError
      return [exitCode, code]
    }
  }
  const put = async (name: string, content: object | string | Uint8Array): Promise<string> => {
    const path = join(folder, name)
    const bytes = typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content)
    await writeFile(path, bytes)
    return path
  }
  const accepted = [0, 'accepted']
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

  it('accept bytes as hexadecimal, as base64 and in a file, and refuse other bytes', async () => {
    for (const [option, value] of [
      ['reportData', data],
      ['measurement', measurement],
      ['hostData', hostData],
    ] as const) {
      const file = await put('value', value)
      const hexFile = await put('value.txt', `${toHex(value)}\n`)
      for (const text of [toHex(value), toHex(value).toUpperCase(), base64(value), `@${file}`, `@${hexFile}`])
        expect([option, text.slice(0, 9), ...(await verify({ [option]: text }))]).toEqual([
          option,
          text.slice(0, 9),
          ...accepted,
        ])
      const other = value.map((byte, index) => (index === 3 ? byte ^ 1 : byte))
      expect([option, ...(await verify({ [option]: toHex(other) }))]).toEqual([option, 1, 'NotEqual'])
      for (const wrong of [toHex(value).slice(2), `${toHex(value)}00`, 'no value', '', '@/nowhere'])
        expect([option, wrong, (await verify({ [option]: wrong }))[0]]).toEqual([option, wrong, 2])
    }
  })

  it('accept the ID key as PEM or digest, and an ID block', async () => {
    const keyFile = await put('key.pem', pem)
    expect(await verify({ idKey: `@${keyFile}` })).toEqual(accepted)
    const key = snpOwnerKey(Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64'))
    expect(await verify({ idKey: toHex(await snpKeyDigest(key)) })).toEqual(accepted)
    expect(await verify({ idKey: toHex(await digest('SHA-384', key.spki)) })).toEqual([1, 'NotEqual'])
    expect(await verify({ authorKey: `@${keyFile}` })).toEqual([1, 'NotEqual'])
    const policy = new DataView((files['report.bin'] as Uint8Array).slice(8, 16).buffer).getBigUint64(0, true)
    const ids = {
      familyId: (files['report.bin'] as Uint8Array).slice(16, 32),
      imageId: (files['report.bin'] as Uint8Array).slice(32, 48),
    }
    const block = buildSnpIdBlock({ launchDigest: measurement, policy, ...ids })
    expect(await verify({ idBlock: `@${await put('block', block)}` })).toEqual(accepted)
    const another = buildSnpIdBlock({ launchDigest: measurement, policy: policy ^ 1n, ...ids })
    expect(await verify({ idBlock: base64(another) })).toEqual([1, 'NotAllowed'])
    expect(await verify({ idBlock: toHex(block.map((byte, index) => (index === 80 ? 9 : byte))) })).toEqual([
      2,
      'InvalidArgument',
    ])
  })

  it('are members like those of the file: one value for each, and refused where they cannot apply (attack E30)', async () => {
    expect(await verify({ measurement: toHex(measurement) }, { snp: { measurements: [toHex(measurement)] } })).toEqual(
      accepted,
    )
    expect(await verify({ measurement: toHex(measurement) }, { snp: { measurements: ['00'.repeat(48)] } })).toEqual([
      2,
      'InvalidArgument',
    ])
    expect(await verify({ measurement: toHex(measurement) }, { snp: { hostData: '00'.repeat(32) } })).toEqual([
      1,
      'NotEqual',
    ])
    expect(await verify({ stepping: '300' })).toEqual([2, 'InvalidPolicy'])
    expect((await verify({ stepping: '255' }))[0]).toBe(1)
    expect(await verify({ nonce: '00' })).toEqual([2, 'unjudged'])
    expect(await verify({ nonce: '00' }, { tpm: { nonce: '01' } })).toEqual([2, 'InvalidArgument'])
    expect(await verify({ measurement: 'aa'.repeat(32) })).toEqual([1, 'RuleNotApplicable'])
    // A key of a token's issuer is no attestation key of the report's machine.
    expect(await verify({ issuerKey: `@${await put('issuer.pem', pem)}` })).toEqual([2, 'unjudged'])
  })
})
