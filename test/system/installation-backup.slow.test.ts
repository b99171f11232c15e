import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, cp, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testPostgres } from '../../packages/platform/src/testing/postgres.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { expectSuccess } from '../../apps/cli/src/client/https.ts'
import { TestInstallation, type CliOutcome } from './support/installation.ts'
import { openArm } from './support/vm.ts'

const cryptoOfficer = '14b46e9e-c2b7-41b4-b07b-48a6ebf60603'
const keyAudience = 'https://vault.azure.net'
const secret = Buffer.from('what only the vault’s key opens')

/** As on the machine that is lost, and on the one that takes its place: nothing is shared but the backup and its key. */
describe.each(['sqlite', 'postgres'] as const)('an installation on %s that is lost', (engine) => {
  let first: TestInstallation
  let second: TestInstallation
  let offline: string
  /** `--store-url-file`, of each. */
  const urls: string[] = []
  const servers: string[][] = []

  beforeAll(async () => {
    offline = await mkdtemp(join(tmpdir(), 'strongroom-offline-'))
    first = await TestInstallation.create()
    second = await TestInstallation.create()
    const pairs = { operator: 2048, other: 2048 }
    for (const [name, modulusLength] of Object.entries(pairs)) {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength })
      await writeFile(join(offline, `${name}.pub.pem`), publicKey.export({ type: 'spki', format: 'pem' }))
      await writeFile(join(offline, `${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
        mode: 0o600,
      })
    }
    await writeFile(join(offline, 'passphrase'), 'six random words of an operator\n', { mode: 0o600 })
    await writeFile(join(offline, 'wrong'), 'six other words of somebody else\n', { mode: 0o600 })
    for (const database of ['before', 'after']) {
      if (engine === 'sqlite') {
        servers.push(['--compute', 'simulated'])
        continue
      }
      const url = await newDatabase(`${database}_${randomUUID().slice(0, 8)}`)
      const file = join(offline, `${database}.url`)
      await writeFile(file, `${url}\n`, { mode: 0o600 })
      urls.push(file)
      servers.push(['--compute', 'simulated', '--store-url-file', file])
    }
  })

  afterAll(async () => {
    await first.remove()
    await second.remove()
    await rm(offline, { recursive: true, force: true })
  })

  const store = (which: 0 | 1): string[] => (engine === 'sqlite' ? [] : ['--store-url-file', urls[which] ?? ''])
  const restore = async (file: string, ...key: string[]): Promise<CliOutcome> =>
    await second.cli('installation', 'restore', join(offline, file), ...key, '--yes', ...store(1))
  const codeOf = ({ json }: CliOutcome): string | undefined => (json as { error?: { code: string } }).error?.code
  const key = (): string[] => ['--private-key', join(offline, 'operator.pem')]
  let keyId = ''
  let ciphertext = ''
  let trust: unknown

  it('has been backed up into one encrypted file, while its server ran', async () => {
    await first.start({}, servers[0])
    await first.must('vm', 'create', 'web')
    trust = trusted(await first.cli('vm', 'trust', 'web'))
    keyId = await makeKey(first)
    ciphertext = await use(first, keyId, 'encrypt', secret.toString('base64url'))
    const file = join(offline, 'backup')
    const made = await first.must<{ files: number }>(
      'installation',
      'backup',
      file,
      '--public-key',
      join(offline, 'operator.pub.pem'),
      ...store(0),
    )
    expect(made.files).toBeGreaterThan(5)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    // No part is in clear, and no copy is left behind.
    const bytes = await readFile(file)
    for (const word of ['virtualMachines', 'SQLite format', 'CREATE TABLE', 'BEGIN CERTIFICATE', 'azureuser'])
      expect(bytes.includes(word), word).toBe(false)
    expect((await readdir(first.stateDir)).filter((name) => name.includes('partial'))).toEqual([])
    await first.must(
      'installation',
      'backup',
      join(offline, 'by-passphrase'),
      '--passphrase-file',
      join(offline, 'passphrase'),
      ...store(0),
    )
    // What is written later is not in it.
    await first.must('vm', 'create', 'later')
    const withDisks = [
      'installation',
      'backup',
      join(offline, 'all'),
      '--public-key',
      join(offline, 'operator.pub.pem'),
      '--disks',
      ...store(0),
    ]
    expect(codeOf(await first.cli(...withDisks))).toBe('StillRunning')
    await first.stop()
    const all = await first.must<{ files: number }>(...withDisks)
    expect(all.files).toBeGreaterThan(made.files)
    // Storage that outlives the machine.
    await cp(join(first.stateDir, 'machines'), join(offline, 'machines'), { recursive: true })
  })

  it('is restored from no altered or cut file, and by nobody else (attack H21)', async () => {
    await rm(first.home, { recursive: true, force: true })
    const bytes = await readFile(join(offline, 'backup'))
    const variant = async (name: string, change: (copy: Buffer) => Buffer): Promise<void> =>
      await writeFile(join(offline, name), change(Buffer.from(bytes)))
    await variant('flipped', (copy) => {
      copy[copy.length >> 1]! ^= 1
      return copy
    })
    await variant('dated', (copy) =>
      Buffer.from(copy.toString('latin1').replace(/"madeAt":"2/, '"madeAt":"3'), 'latin1'),
    )
    const head = bytes.indexOf('\n') + 1
    await variant('cut', (copy) => copy.subarray(0, copy.length - 100))
    await variant('cut-at-a-chunk', (copy) => copy.subarray(0, head + 2 * (65_536 + 16)))
    // A chunk that was left out.
    await variant('shortened', (copy) =>
      Buffer.concat([copy.subarray(0, head + 65_552), copy.subarray(head + 2 * 65_552)]),
    )
    await copyFile(join(offline, 'operator.pub.pem'), join(offline, 'no-backup'))
    expect(codeOf(await restore('flipped', ...key()))).toBe('BackupAltered')
    expect(codeOf(await restore('dated', ...key()))).toBe('BackupAltered')
    expect(codeOf(await restore('shortened', ...key()))).toBe('BackupAltered')
    expect(codeOf(await restore('cut', ...key()))).toBe('BackupIncomplete')
    expect(codeOf(await restore('cut-at-a-chunk', ...key()))).toBe('BackupIncomplete')
    expect(codeOf(await restore('no-backup', ...key()))).toBe('BackupNotRead')
    expect(codeOf(await restore('backup', '--private-key', join(offline, 'other.pem')))).toBe('BackupKeyRefused')
    expect(codeOf(await restore('backup', '--passphrase-file', join(offline, 'passphrase')))).toBe('BackupKeyRefused')
    expect(codeOf(await restore('by-passphrase', '--passphrase-file', join(offline, 'wrong')))).toBe('BackupKeyRefused')
    const unconfirmed = await second.cli('installation', 'restore', join(offline, 'backup'), ...key(), ...store(1))
    expect(codeOf(unconfirmed)).toBe('NotConfirmed')
    expect(existsSync(second.stateDir)).toBe(false)
    expect(existsSync(`${second.stateDir}.partial`)).toBe(false)
  })

  it('is there again on another machine: its VMs, its keys, and what vouches for their boots', async () => {
    const restored = await restore('backup', ...key())
    expect(restored.json).toMatchObject({ heldVms: 1 })
    await cp(join(offline, 'machines'), join(second.stateDir, 'machines'), { recursive: true })
    expect(codeOf(await restore('backup', ...key()))).toBe('InstallationExists')
    await second.start({}, servers[1])
    const vms = await second.must<{ name: string }[]>('vm', 'list')
    expect(vms.map(({ name }) => name)).toEqual(['web'])
    const again = trusted(await second.cli('vm', 'trust', 'web'))
    expect(withoutRequest(again)).toEqual(withoutRequest(withoutOwnRecord(trust)))
    // Who creates the VM here knows what was asked for; after a restore it is taken as first seen.
    expect(classesOf(trust, 'image')).toEqual(['pinned key', 'verifier'])
    expect(classesOf(again, 'image')).toEqual(['pinned key', 'first use'])
    expect(Buffer.from(await use(second, keyId, 'decrypt', ciphertext), 'base64url')).toEqual(secret)
    // Under a master key of its own.
    expect((await second.must<{ kind: string }>('master-key', 'show')).kind).toBe('file')
  })

  it('boots no VM before its operator accepts that older guest states cannot be told from the newest (attack H21)', async () => {
    await second.must('vm', 'restart', 'web')
    const refused = await second.cli('vm', 'trust', 'web')
    expect(refused.json).toMatchObject({ error: { code: 'KeyReleaseRefused', details: [{ code: 'Forbidden' }] } })
    expect(codeOf(await second.cli('installation', 'accept-states', '--yes', ...store(1)))).toBe('StillRunning')
    await second.stop()
    expect(codeOf(await second.cli('installation', 'accept-states', ...store(1)))).toBe('NotConfirmed')
    expect(await second.must('installation', 'accept-states', '--yes', ...store(1))).toMatchObject({ vms: 1 })
    expect(codeOf(await second.cli('installation', 'accept-states', '--yes', ...store(1)))).toBe('NothingHeld')
    await second.start({}, servers[1])
    await second.must('vm', 'restart', 'web')
    expect(trusted(await second.cli('vm', 'trust', 'web'))).toMatchObject({ vmId: (trust as { vmId: string }).vmId })
  })

  it.skipIf(engine === 'postgres')('has its guest states in a backup with disks', async () => {
    const third = await TestInstallation.create()
    try {
      await third.must('installation', 'restore', join(offline, 'all'), ...key(), '--yes')
      const states = async (place: string): Promise<string[]> =>
        (await readdir(place, { recursive: true })).filter((path) => path.endsWith('.vmgs')).toSorted()
      expect(await states(join(third.stateDir, 'machines'))).toEqual(await states(join(offline, 'machines')))
      expect(await states(join(offline, 'machines'))).toHaveLength(1)
    } finally {
      await third.remove()
    }
  })
})

/** What a trust report says about the boot, without when it was asked. */
function trusted({ json }: CliOutcome): Record<string, unknown> {
  const { verifiedAt: _at, ...rest } = json as Record<string, unknown>
  return rest
}

/** As for whoever has neither the record that the command line kept when it created the VM, nor pins of its boots. */
const withoutOwnRecord = (report: unknown): unknown => ({
  ...(JSON.parse(
    JSON.stringify(report)
      .replace('the request recorded when this VM was created here', 'the resource manager’s record')
      .replace(
        'compared with the request recorded when this VM was created here',
        'compared with the resource manager’s record; pass --ssh-key FILE to compare with your own keys',
      ),
  ) as object),
  warnings: [expect.objectContaining({ code: 'TrustedOnFirstUse' })],
})

interface Provenance {
  links: { id: string; restsOn?: string[] }[]
}
const classesOf = (report: unknown, id: string): string[] | undefined =>
  (report as Provenance).links.find((link) => link.id === id)?.restsOn
const withoutRequest = (report: unknown): unknown => ({
  ...(report as object),
  links: (report as Provenance).links.map((link) => ({
    ...link,
    restsOn: link.restsOn?.filter((each) => each !== 'verifier' && each !== 'first use'),
  })),
})

async function newDatabase(name: string): Promise<string> {
  const url = await testPostgres()
  for (const statement of [`create role ${name} login password 'p:a\\ss'`, `create database ${name} owner ${name}`])
    execFileSync('psql', ['--no-psqlrc', '--quiet', '--dbname', url, '--command', statement])
  return url.replace('postgres@localhost/postgres', `${name}:${encodeURIComponent('p:a\\ss')}@localhost/${name}`)
}

async function makeKey(installation: TestInstallation): Promise<string> {
  const arm = await openArm(installation)
  const connection = await connect(installation.stateDir)
  const { server, https } = connection
  const group = `${arm.subscription}/resourceGroups/strongroom`
  const vault = `${group}/providers/Microsoft.KeyVault/vaults/kept`
  const properties = { tenantId: server.tenantId, sku: { family: 'A', name: 'premium' }, enableRbacAuthorization: true }
  await arm.result('PUT', vault, apiVersions.vaults, { location: arm.region, properties })
  const token = await connection.ownerToken(keyAudience)
  const { oid } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { oid: string }
  await arm.result('PUT', `${vault}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, '2022-04-01', {
    properties: { principalId: oid, roleDefinitionId: `/x/${cryptoOfficer}`, principalType: 'ServicePrincipal' },
  })
  const url = 'https://kept.vault.strongroom.internal/keys/k/create?api-version=7.4'
  const made = expectSuccess(await https.request({ method: 'POST', url, token, body: { kty: 'RSA', key_size: 2048 } }))
  https.close()
  return (made.json as { key: { kid: string } }).key.kid
}

async function use(
  installation: TestInstallation,
  keyId: string,
  operation: 'encrypt' | 'decrypt',
  value: string,
): Promise<string> {
  const connection = await connect(installation.stateDir)
  const { https } = connection
  const url = `${keyId}/${operation}?api-version=7.4`
  const body = { alg: 'RSA-OAEP-256', value }
  const answer = await https.request({ method: 'POST', url, token: await connection.ownerToken(keyAudience), body })
  https.close()
  return (expectSuccess(answer).json as { value: string }).value
}
