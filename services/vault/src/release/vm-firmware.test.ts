import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firmwareListFile, firmwareTags } from '@strongroom/contract'
import type { Jwk } from '@strongroom/evidence'
import {
  firmwareListText,
  firmwareListType,
  snpLaunchDigests,
  type FirmwareRelease,
} from '@strongroom/evidence/expected'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it, onTestFinished } from 'vitest'
import { createTestVault, keyRequest, vmId, type Answer } from '../testing/test-vault.ts'

const release = (version: string, securityVersion: number, byte: number): FirmwareRelease => ({
  version,
  securityVersion,
  builtAt: new Date('2026-01-01'),
  sha256: new Uint8Array(32).fill(byte),
  snp: { start: new Uint8Array(48).fill(byte), resetAddress: 0x80b004 },
  mrtd: new Uint8Array(48).fill(byte),
})
const [old, next, same, foreign] = [
  release('ovmf 1', 1, 1),
  release('ovmf 2', 2, 2),
  release('ovmf 1b', 1, 3),
  release('evil', 9, 4),
]

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk: Jwk = { ...(publicKey.export({ format: 'jwk' }) as Jwk), kid: 'own', use: 'sig', alg: 'ES256' }
let seconds = 0

/** Each later than the one before. */
function listOf(releases: FirmwareRelease[], o: { first?: boolean; key?: KeyObject } = {}): string {
  const signedAt = new Date(Date.UTC(2026, 10, 29) + 1000 * seconds++)
  const part = (content: Uint8Array | string): string => Buffer.from(content).toString('base64url')
  const header = part(JSON.stringify({ alg: 'ES256', typ: firmwareListType, kid: 'own' }))
  const input = `${header}.${part(firmwareListText({ signedAt, first: o.first ?? false, releases }))}`
  const signature = sign('sha256', Buffer.from(input), { key: o.key ?? privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${part(signature)}`
}

describeStores('the key of a VM whose installation lists its firmware', (open) => {
  const setUp = async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-firmware-'))
    onTestFinished(() => rm(stateDir, { recursive: true, force: true }))
    const vault = await createTestVault(await open(), { stateDir, firmwareKeys: [jwk] })
    onTestFinished(() => vault.close())
    const path = join(stateDir, firmwareListFile)
    const write = async (jws: string): Promise<void> => await writeFile(path, jws)
    const made = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const key = `/keys/vm-1/${(made.body.key.kid as string).split('/').at(-1)}`
    const launched = async ({ snp }: FirmwareRelease): Promise<string> => {
      const [measured] = (await snpLaunchDigests({ ...snp, vCPUs: 2, vcpuType: 'EPYC-Milan' })).slice(-1)
      const measurement = Buffer.from(measured!).toString('hex')
      return vault.provider.token({ ...vault.claims, 'x-ms-sevsnpvm-launchmeasurement': measurement })
    }
    const ask = async (firmware: FirmwareRelease): Promise<Answer> =>
      await vault.call('orchestrator', 'POST', `${key}/release`, { target: await launched(firmware) })
    let generation = 0
    /** A boot as the paravisor does it: the release, then the guest state's next generation. */
    const boot = async (firmware: FirmwareRelease): Promise<string> => {
      const released = await ask(firmware)
      if (released.status !== 200) return released.body.error.innererror?.code ?? released.body.error.code
      const body = { target: await launched(firmware), generation: ++generation }
      const told = await vault.call('orchestrator', 'POST', `${key}/guest-state-generation`, body)
      return told.status === 200 ? 'booted' : told.body.error.innererror.code
    }
    const allow = async (updates: string): Promise<Answer> =>
      await vault.manage('controlPlane', 'PUT', `/vms/${vmId}/firmware`, { updates })
    return { vault, path, key, write, ask, boot, allow, launched }
  }
  const tagsOf = ({ body }: Answer): Record<string, string> => {
    const payload = Buffer.from((body.value as string).split('.')[1]!, 'base64url').toString()
    return (JSON.parse(payload) as { response: { key: { tags: Record<string, string> } } }).response.key.tags
  }

  it('leaves to a launch with listed firmware, with what was decided by', async () => {
    const { write, ask, boot } = await setUp()
    const jws = listOf([old], { first: true })
    await write(jws)
    const answer = await ask(old)
    expect(answer.status).toBe(200)
    expect(tagsOf(answer)).toMatchObject({ [firmwareTags.list]: jws, [firmwareTags.updates]: 'Listed' })
    expect(tagsOf(answer)).not.toHaveProperty(firmwareTags.before)
    expect(await boot(old)).toBe('booted')
    await write(listOf([old, next]))
    expect(JSON.parse(tagsOf(await ask(next))[firmwareTags.before]!)).toEqual({
      version: 'ovmf 1',
      securityVersion: 1,
      sha256: '01'.repeat(32),
    })
  })

  it('stays where the host launched firmware that nobody signed, and says what it measured (attack H17)', async () => {
    const { write, ask } = await setUp()
    await write(listOf([old, next]))
    const { status, body } = await ask(foreign)
    expect(status).toBe(403)
    expect(body.error).toMatchObject({ code: 'Forbidden', innererror: { code: 'FirmwareNotListed' } })
    expect(body.error.innererror.expected).toContain('ovmf 1 (security version 1')
    expect(body.error.innererror.found).toMatch(/^launch measurement [0-9a-f]{96}$/)
  })

  it('never leaves to firmware older in security than what the VM ran, unless its owner says so (attack H17)', async () => {
    const { write, boot, allow } = await setUp()
    await write(listOf([old, next, same]))
    expect(await boot(old)).toBe('booted')
    expect(await boot(same)).toBe('booted')
    expect(await boot(next)).toBe('booted')
    expect(await boot(old)).toBe('FirmwareSuperseded')
    expect((await allow('ListedOrOlder')).status).toBe(200)
    expect(await boot(old)).toBe('booted')
    expect(await boot(foreign)).toBe('FirmwareNotListed')
  })

  it('of a pinned VM leaves to what it ran last alone (attack H17)', async () => {
    const { write, boot, allow } = await setUp()
    await write(listOf([old, next, same]))
    await allow('Pinned')
    expect(await boot(old)).toBe('booted')
    expect(await boot(next)).toBe('FirmwarePinned')
    expect(await boot(same)).toBe('FirmwarePinned')
    expect(await boot(old)).toBe('booted')
    await allow('Listed')
    expect(await boot(next)).toBe('booted')
    await allow('Pinned')
    expect(await boot(old)).toBe('FirmwarePinned')
  })

  it('is not counted for by a launch that it is not released to (attack H17)', async () => {
    const { vault, write, boot, key, launched } = await setUp()
    await write(listOf([old, next]))
    expect(await boot(next)).toBe('booted')
    const body = { target: await launched(old), generation: 99 }
    const answer = await vault.call('orchestrator', 'POST', `${key}/guest-state-generation`, body)
    expect(answer.body.error.innererror.code).toBe('FirmwareSuperseded')
  })

  it('stays without a list, and with one that is altered, of another key, older, or signed as none was there (attack H17)', async () => {
    const { path, write, boot } = await setUp()
    const [first, second] = [listOf([old], { first: true }), listOf([old, next])]
    expect(await boot(old)).toBe('FirmwareListMissing')
    await write(second)
    expect(await boot(old)).toBe('booted')
    const [header, , signature] = second.split('.')
    await write([header, listOf([old, next, foreign]).split('.')[1], signature].join('.'))
    expect(await boot(foreign)).toBe('FirmwareListInvalid')
    const another = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await write(listOf([foreign], { key: another.privateKey }))
    expect(await boot(foreign)).toBe('FirmwareListInvalid')
    await write(first)
    expect(await boot(old)).toBe('FirmwareListSuperseded')
    await write(listOf([foreign], { first: true }))
    expect(await boot(foreign)).toBe('FirmwareListSuperseded')
    await unlink(path)
    expect(await boot(old)).toBe('FirmwareListMissing')
    await write(listOf([old, next]))
    expect(await boot(old)).toBe('booted')
  })

  it('goes by the word of the resource manager alone, which is in the log, and forgets a VM that is gone', async () => {
    const { vault, write, boot, allow } = await setUp()
    await write(listOf([old, next]))
    const rule = { updates: 'ListedOrOlder' }
    for (const who of ['orchestrator', 'owner', 'alice'] as const)
      expect((await vault.manage(who, 'PUT', `/vms/${vmId}/firmware`, rule)).status).not.toBe(200)
    expect((await vault.manage('controlPlane', 'PUT', `/vms/${vmId}/firmware`, { updates: 'Any' })).status).toBe(400)
    expect((await vault.manage('controlPlane', 'PUT', '/vms/nobody/firmware', rule)).status).toBe(400)
    expect(await boot(next)).toBe('booted')
    expect(await boot(old)).toBe('FirmwareSuperseded')
    expect((await vault.manage('controlPlane', 'DELETE', `/vms/${vmId}/firmware`)).status).toBe(204)
    expect(await boot(old)).toBe('booted')
    await allow('Pinned')
    expect(await boot(next)).toBe('FirmwarePinned')
  })
})
