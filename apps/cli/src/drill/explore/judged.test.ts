import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Observation } from '../host/observation.ts'
import { registersOfCode } from '../host/observation.ts'
import { ControlChannel } from './control-channel.ts'
import { lifeLines } from './explore.ts'
import { invariants, recordedState, violations, type Evidence, type Reference } from './invariants.ts'
import { secretsInFiles, secretsInProcesses } from './secrets.ts'
import { parseSnapshot } from './snapshot.ts'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'strongroom-judged-'))))
afterAll(async () => await rm(folder, { recursive: true, force: true }))

const lines = [
  'unit ssh.service',
  'unit getty@tty1.service',
  'program /usr/bin/a 11',
  'account root:x:0:0',
  'kernel taint 0',
  'canary 600 azureuser cc',
  'keys 11',
  'keys 22',
]
const registers = Object.fromEntries(registersOfCode.map((index) => [String(index), '00']))
const report = {
  vmId: 'V',
  trusted: true,
  sshHostKey: 'k',
  pins: { bootFile: 'b', generation: 1 },
  links: [{ id: 'disk' }],
} as unknown as NonNullable<Observation['report']>
const seen: Observation = { accepted: true, marks: [], registers, report, saw: lines }
const reference: Reference = {
  snapshot: parseSnapshot([...lines, 'installed /usr/bin/a', 'installed /usr/bin/b']),
  registers,
  state: recordedState(seen),
  generation: 4,
}
const evidence: Evidence = { seen, registers, generation: 5, secrets: [], stranger: ['ee'] }
const broken = (change: Partial<Evidence>): [number, string][] =>
  violations({ ...evidence, ...change }, reference).map(({ invariant, what }) => [invariants.indexOf(invariant), what])
const saying = (...more: string[]): Partial<Evidence> => ({ seen: { ...seen, saw: [...lines, ...more] } })
const refusal = (code: string, marks: string[]): Partial<Evidence> => ({
  seen: { accepted: false, marks, error: { code: code as 'OsDiskDidNotUnlock', message: '' } },
})

describe('a life that held', () => {
  it('is whole and as recorded, refused, or not trusted', () => {
    expect(broken({})).toEqual([])
    expect(broken(refusal('OsDiskDidNotUnlock', []))).toEqual([])
    expect(broken(saying('program /usr/bin/b 33', 'unit getty@tty2.service', 'unit session-3.scope'))).toEqual([])
    const untrusted = { ...report, trusted: false }
    expect(broken({ seen: { ...seen, report: untrusted, registers: {} }, generation: 1 })).toEqual([])
  })
})

describe('code of the host’s', () => {
  it.each([
    ['program /tmp/evil 66', 'program /tmp/evil 66'],
    ['program /usr/bin/a 66', 'program /usr/bin/a 66'],
    ['unit evil.service', 'unit evil.service'],
    ['account evil:x:0:0', 'account evil:x:0:0'],
    ['kernel DRILL00112233445566778899', 'log DRILL00112233445566778899'],
    ['kernel taint 4096', 'log taint 4096'],
  ])('is found: %s', (planted, what) => {
    expect(broken(saying(planted))).toEqual([[0, what]])
  })

  it('is found by its mark, but where the host ran it before the key and got none', () => {
    expect(broken({ seen: { ...seen, marks: ['unit'] } })).toEqual([[0, 'marks: unit']])
    expect(broken(refusal('OsDiskDidNotUnlock', ['table']))).toEqual([])
    expect(broken(refusal('GuestBootTimeout', ['unit']))).toEqual([[0, 'marks: unit']])
  })
})

describe('the other invariants', () => {
  it('are broken by a secret on the host, and by a canary that others read or changed', () => {
    expect(broken({ secrets: ['the volume key in a log'] })).toEqual([[1, 'the volume key in a log']])
    expect(broken({ stranger: ['cc'] })).toEqual([[2, 'a stranger’s key read it']])
    const open = lines.map((line) => line.replace('600', '644'))
    expect(broken({ seen: { ...seen, saw: open } })).toEqual([[2, '644 azureuser cc, recorded 600 azureuser cc']])
  })

  it.each<[string, Partial<Evidence>]>([
    ['PCR 11 is 66, recorded 00', { seen: { ...seen, registers: { ...registers, 11: '66' } } }],
    ['PCR 4 is 66, recorded 00', { registers: { ...registers, 4: '66' } }],
    ['sshHostKey is "x", recorded "k"', { seen: { ...seen, report: { ...report, sshHostKey: 'x' } } }],
    ['vmId is "W", recorded "V"', { seen: { ...seen, report: { ...report, vmId: 'W' } } }],
    ['links is [], recorded ["disk"]', { seen: { ...seen, report: { ...report, links: [] } } }],
    ['generation 4 is not after 4', { generation: 4 }],
    ['what lies behind the keys is another', { seen: { ...seen, saw: lines.filter((line) => line !== 'keys 22') } }],
  ])('find a whole report of another state: %s', (what, change) => {
    expect(broken(change)).toEqual([[3, what]])
  })
})

describe('a secret', () => {
  const secret = Buffer.from('00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', 'hex')

  it('is found in a file in each of its forms, and not searched for where nothing changed', async () => {
    const forms = [secret, secret.toString('hex'), secret.toString('base64'), secret.toString('base64url')]
    for (const [index, form] of forms.entries())
      await writeFile(join(folder, `form-${index}`), Buffer.concat([Buffer.alloc(5001, 'x'), Buffer.from(form)]))
    await writeFile(join(folder, 'sparse'), secret)
    await truncate(join(folder, 'sparse'), 100 * 1024 ** 2)
    await writeFile(join(folder, 'none'), 'nothing')
    const found = await secretsInFiles(folder, { key: secret })
    expect(found.toSorted()).toEqual([0, 1, 2, 3].map((index) => `key in form-${index}`).concat('key in sparse'))
    expect(await secretsInFiles(folder, { key: secret }, { searched: folder })).toEqual([])
  })

  it('is found in what a process was given, and in the memory of those below us', async () => {
    const held = Buffer.from(secret.map((byte) => byte ^ 0x5a))
    // The parts are put together in the process alone.
    const code = `const b = Buffer.from(process.argv[1], 'hex').map((x) => x ^ 0x5a); console.log(b.length); setInterval(() => b, 1e5)`
    const holder = spawn(process.execPath, ['-e', code, held.toString('hex')], { stdio: ['ignore', 'pipe', 'ignore'] })
    const given = spawn('sleep', ['60'], { env: { KEY: secret.toString('base64') } })
    try {
      await once(holder.stdout, 'data')
      const found = await secretsInProcesses({ key: secret }, { root: process.pid, server: given.pid })
      expect(found).toContain('key in what sleep was given')
      expect(found.filter((each) => each.startsWith('key in the memory of'))).toHaveLength(1)
      expect(await secretsInProcesses({ key: randomBytes(32) }, { root: process.pid, server: undefined })).toEqual([])
    } finally {
      holder.kill()
      given.kill()
    }
  })
})

describe('the host’s control channel', () => {
  it('waits for QEMU, tells its refusals, and passes over its events', async () => {
    const path = join(folder, 'control')
    const opening = ControlChannel.open(path, AbortSignal.timeout(20_000))
    const server = createServer((socket) => {
      socket.write('{"QMP":{}}\n')
      socket.on('data', (data) => {
        const { execute } = JSON.parse(data.toString()) as { execute: string }
        socket.write('{"event":"RESET"}\n')
        socket.write(execute === 'quit' ? '{"error":{"desc":"no"}}\n' : '{"return":{}}\n')
      })
    })
    server.listen(path)
    const channel = (await opening)!
    expect([await channel.execute('stop'), await channel.execute('quit')]).toEqual([undefined, 'no'])
    channel.close()
    server.close()
    const never = await ControlChannel.open(join(folder, 'never'), AbortSignal.timeout(300))
    expect(never).toBeUndefined()
  })
})

describe('the script in the guest', () => {
  it('is one that its shell reads', async () => {
    const { lookScript, plantScript } = await import('./snapshot.ts')
    for (const script of [lookScript, plantScript({ canary: 'aa', inTpm: 'bb' })])
      await promisify(execFile)('bash', ['-n', '-c', script])
  })
})

describe('a finding', () => {
  it('says how it is lived again', () => {
    const step = [{ kind: 'files', target: 'host.db', operation: 'drop' }] as const
    const life = { life: 3, steps: [step], seconds: 31, outcome: 'found', boots: ['whole'] } as const
    const violation = { invariant: invariants[3], what: 'PCR 4' }
    expect(lifeLines(7, { ...life, boots: ['whole'], violations: [violation] })).toEqual([
      '  31.0 s ✗ found     life 3: files: drop host.db: whole',
      '            a whole report is of the recorded state: PCR 4',
      '            again: --seed 7 --from 3 --lives 1',
    ])
  })
})
