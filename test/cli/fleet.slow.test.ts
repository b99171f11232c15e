import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { AddedHost, HostView } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from '../system/support/installation.ts'
import { ended, JoiningHosts } from './support/joining-hosts.ts'

let hosts: JoiningHosts
let installation: TestInstallation
let address: string
/** For polls that start a command. */
const seldom = { interval: 1000 }

beforeAll(async () => {
  hosts = await JoiningHosts.create()
  ;({ installation, address } = hosts)
})
afterAll(async () => await hosts.remove())

const add = async (name: string): Promise<AddedHost> => await hosts.add(name)
const show = async (name: string): Promise<HostView> => await hosts.show(name)
const hostDirectory = (name: string): string => hosts.directory(name)
const onHost: JoiningHosts['onHost'] = (...args) => hosts.onHost(...args)

describe('a host', () => {
  it('joins by the line that host add prints, keeps its key to itself, and is counted on while it runs', async () => {
    const added = await add('one')
    expect(added).toMatchObject({ state: 'Invited', zone: '1', tees: ['SNP', 'TDX'], address })
    const { child, said } = onHost('one', ['join', address], `${added.joinCode}\n`)
    await expect.poll(said).toContain('one is a host of the fleet')
    await expect
      .poll(async () => await show('one'), seldom)
      .toMatchObject({ state: 'Ready', capacity: { vCPUs: 64, memoryMiB: 262_144 } })
    // New VMs go to joined hosts: the server's own no longer shows silicon for them.
    expect(await show('local')).toEqual({ name: 'local', labels: {}, state: 'Ready' })
    const file = join(hostDirectory('one'), 'host.json')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const { privateKey } = JSON.parse(await readFile(file, 'utf8')) as { privateKey: string }
    const secret = added.joinCode.split('.')[2]!
    for (const text of [
      said(),
      await installation.serverLog(),
      await readFile(join(hostDirectory('one'), 'host.log'), 'utf8'),
    ])
      for (const hidden of [secret, privateKey.split('\n')[1]!]) expect(text).not.toContain(hidden)
    await ended(child)
    // The lease expires ten seconds later by itself.
    await expect.poll(async () => (await show('one')).state, seldom).toBe('Lost')
    const again = onHost('one', ['run'])
    await expect.poll(async () => (await show('one')).state, seldom).toBe('Ready')
    expect(again.child.exitCode).toBeNull()
  })

  it('is not made of a code that was used, of anything else, or twice in one directory', async () => {
    const { joinCode } = await add('two')
    const first = onHost('two', ['join', address], joinCode)
    await expect.poll(first.said).toContain('two is a host of the fleet')
    for (const [name, code, message] of [
      ['thief', joinCode, 'JoinCodeRefused'],
      ['two', joinCode, 'HostAlreadyJoined'],
      ['nothing', 'no code', 'JoinCodeRefused'],
    ] as const) {
      const { child, said } = onHost(name, ['join', address], code)
      await expect.poll(() => child.exitCode).toBe(1)
      expect(said()).toContain(message)
    }
    const stranger = onHost('stranger', ['run'])
    await expect.poll(() => stranger.child.exitCode).toBe(1)
    expect(stranger.said()).toContain('HostNotJoined')
  })

  it('is drained, resumed and removed by the operator; removed it is told so', async () => {
    const { joinCode } = await add('four')
    const { said } = onHost('four', ['join', address], joinCode)
    await expect.poll(said).toContain('four is a host of the fleet')
    await installation.must('host', 'drain', 'four')
    await expect.poll(async () => (await show('four')).state, seldom).toBe('Draining')
    await installation.must('host', 'resume', 'four')
    await expect.poll(async () => (await show('four')).state, seldom).toBe('Ready')
    expect((await installation.cli('host', 'remove', 'four')).code).toBe(2)
    await installation.must('host', 'remove', 'four', '--yes')
    await expect.poll(said).toContain('HostNotAuthenticated')
    expect((await installation.cli('host', 'show', 'four')).code).toBe(4)
  })

  it('is refused to the operator where it has no capacity, a zone that is none, or a name of another form', async () => {
    for (const [args, code] of [
      [['five', '--memory', '4'], 2],
      [['five', '--cores', '4', '--memory', '4', '--zone', '9'], 1],
      [['Five_', '--cores', '4', '--memory', '4'], 1],
      [['local', '--cores', '4', '--memory', '4'], 1],
      [['five', '--cores', '4', '--memory', '4', '--region', 'nowhere'], 1],
      [['five', '--cores', '4', '--memory', '4', '--silicon', 'sgx'], 1],
    ] as const)
      expect((await installation.cli('host', 'add', ...args)).code, args.join(' ')).toBe(code)
    const names = (await installation.must<HostView[]>('host', 'list')).map(({ name }) => name)
    expect(names[0]).toBe('local')
    expect(names).not.toContain('five')
  })
})

describe('an installation without --fleet-address', () => {
  it('has the one host that it is, and adds none', async () => {
    const single = await TestInstallation.create()
    await single.start({}, ['--compute', 'simulated'])
    try {
      expect(await single.must('host', 'list')).toEqual([
        { name: 'local', tees: ['SNP', 'TDX'], labels: {}, state: 'Ready' },
      ])
      const { json } = await single.cli('host', 'add', 'one', '--cores', '4', '--memory', '4')
      expect((json as { error: { code: string } }).error.code).toBe('FleetNotServed')
    } finally {
      await single.remove()
    }
  })
})
